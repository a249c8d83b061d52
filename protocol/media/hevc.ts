/**
 * What H.265 (HEVC) NAL units say, as far as cuts and hashes need it.
 *
 *     0 nal_unit_type:6 nuh_layer_id:6 nuh_temporal_id_plus1:3 | slices: first_slice_segment_in_pic_flag:1 …
 *
 * @see ITU-T H.265 7.3.1.2, 7.3.2, 7.3.6.1, table 7-1
 */
import { readUe } from './exp-golomb.ts';
import { unescapeNal } from './nal-heads.ts';

export const nalTypes = {
  blaFirst: 16,
  idrLast: 20,
  cra: 21,
  vps: 32,
  sps: 33,
  pps: 34,
  bitstreamEnd: 37,
  prefixSei: 39,
} as const;

/** The two bytes of a unit's header. */
export const headerBytes = 2;

/** nal_unit_type, six bits of the first byte. */
export function nalType(header: number): number {
  return (header >> 1) & 0x3f;
}

/** nuh_layer_id: 0 is the picture itself, others add to it (scalability, a second view). */
export function layerId(nal: Uint8Array): number {
  return (((nal[0] ?? 0) & 1) << 5) | ((nal[1] ?? 0) >> 3);
}

/** Coded slice data: types 0 to 31. */
export function isVcl(type: number): boolean {
  return type < nalTypes.vps;
}

/** IDR (19, 20), BLA (16 to 18) and CRA (21): decoding can begin at any of them. */
export function isRandomAccess(type: number): boolean {
  return type >= nalTypes.blaFirst && type <= nalTypes.cra;
}

/** first_slice_segment_in_pic_flag, of a slice's first three bytes. */
export function isFirstSlice(nal: Uint8Array): boolean {
  return ((nal[headerBytes] ?? 0) & 0x80) !== 0;
}

/** Enough of an SPS for its id, with all of its eight sub-layers. */
const idBytes = 160;

/** The id of a parameter set, by which a later one replaces an earlier one; undefined where it does not fit or is too high. */
export function parameterSetId(nal: Uint8Array): number | undefined {
  const raw = unescapeNal(nal.subarray(0, idBytes));
  const third = raw[headerBytes];
  if (third === undefined) return undefined;
  const type = nalType(raw[0] ?? 0);
  if (type === nalTypes.vps) return third >> 4;
  const id = readUe(raw, type === nalTypes.pps ? headerBytes * 8 : spsIdBit(raw));
  return id !== undefined && id < (type === nalTypes.pps ? 64 : 16) ? id : undefined;
}

/** Behind profile_tier_level, whose length is up to the sub-layers that it speaks of. @see 7.3.3 */
function spsIdBit(raw: Uint8Array): number {
  const subLayers = ((raw[headerBytes] ?? 0) >> 1) & 7;
  const flagsAt = headerBytes + 1 + 12;
  let bytes = flagsAt + (subLayers > 0 ? 2 : 0);
  for (let index = 0; index < subLayers; index += 1) {
    const flags = (raw[flagsAt + (index >> 2)] ?? 0) >> (6 - 2 * (index & 3));
    bytes += ((flags & 2) === 0 ? 0 : 11) + (flags & 1);
  }
  return bytes * 8;
}
