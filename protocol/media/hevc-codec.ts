/** H.265 (HEVC) as cuts see it: IDR and BLA are fresh starts, CRA (open GOP) and recovery points open ones. */
import {
  headerBytes,
  isFirstSlice,
  isRandomAccess,
  isVcl,
  layerId,
  nalType,
  nalTypes,
  parameterSetId,
} from './hevc.ts';
import { maxNalBytes, type NalCodec, type NalMeaning } from './nal-video-reader.ts';
import { hasRecoveryPoint } from './sei.ts';

const setNames = new Map<number, 'vps' | 'sps' | 'pps'>([
  [nalTypes.vps, 'vps'],
  [nalTypes.sps, 'sps'],
  [nalTypes.pps, 'pps'],
]);

export const hevcCodec: NalCodec = {
  sets: ['vps', 'sps', 'pps'],

  /** Of a slice its header and one byte (`isFirstSlice`). */
  wantedBytes(header) {
    const type = nalType(header);
    if (isVcl(type)) return headerBytes + 1;
    return type === nalTypes.prefixSei || setNames.has(type) ? maxNalBytes : 0;
  },

  read(nal) {
    const type = nalType(nal[0] ?? 0);
    if (layerId(nal) > 0) return undefined;
    if (isVcl(type)) return { kind: 'picture', isFirst: isFirstSlice(nal), ...keyOf(type) };
    const set = setNames.get(type);
    if (set === undefined) {
      return hasRecoveryPoint(nal, headerBytes) ? { kind: 'recoveryPoint' } : undefined;
    }
    const id = parameterSetId(nal);
    return id === undefined ? undefined : { kind: 'parameters', set, id };
  },
};

/**
 * A BLA is what a splicer makes of a CRA: what leads it is never shown, by whomever it is decoded. What leads a CRA is
 * shown where the GOP before is there too.
 */
function keyOf(type: number): Pick<Extract<NalMeaning, { kind: 'picture' }>, 'key'> {
  if (!isRandomAccess(type)) return {};
  return { key: type <= nalTypes.idrLast ? 'idr' : 'recovery' };
}
