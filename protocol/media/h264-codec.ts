/** H.264 as cuts see it: IDR pictures, recovery points, and cameras that mark neither but repeat their parameter sets. */
import { isVcl, nalType, nalTypes, parameterSetId, parseSliceStart } from './h264.ts';
import { maxNalBytes, type NalCodec, type NalMeaning } from './nal-video-reader.ts';
import { hasRecoveryPoint } from './sei.ts';

const wanted: ReadonlySet<number> = new Set([nalTypes.sei, nalTypes.sps, nalTypes.pps]);

export const h264Codec: NalCodec = {
  sets: ['sps', 'pps'],

  /** Of a slice its header and one byte (`parseSliceStart`). */
  wantedBytes(header) {
    const type = nalType(header);
    if (isVcl(type)) return 2;
    return wanted.has(type) ? maxNalBytes : 0;
  },

  read(nal) {
    const type = nalType(nal[0] ?? 0);
    if (isVcl(type)) return readSlice(type, nal[1] ?? 0);
    if (type === nalTypes.sei) return hasRecoveryPoint(nal, 1) ? { kind: 'recoveryPoint' } : undefined;
    const id = parameterSetId(nal);
    return id === undefined
      ? undefined
      : { kind: 'parameters', set: type === nalTypes.sps ? 'sps' : 'pps', id };
  },
};

function readSlice(type: number, second: number): NalMeaning {
  const slice = parseSliceStart(second);
  return { kind: 'picture', ...slice, ...(type === nalTypes.idr ? { key: 'idr' } : {}) };
}
