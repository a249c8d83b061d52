/** What H.264 NAL units say, as far as cuts and hashes need it. @see ITU-T H.264 7.3, 7.4 */
import { readUe } from './exp-golomb.ts';
import { unescapeNal } from './nal-heads.ts';

export const nalTypes = { slice: 1, partitionA: 2, idr: 5, sei: 6, sps: 7, pps: 8, delimiter: 9 } as const;

/** nal_unit_type, the low five bits of the first byte. */
export function nalType(header: number): number {
  return header & 0x1f;
}

/** Coded slice data of the primary picture: types 1 to 5. */
export function isVcl(type: number): boolean {
  return type >= 1 && type <= 5;
}

/** What a slice's first bits tell. */
export interface SliceStart {
  /** first_mb_in_slice is 0: a picture (or field) begins. */
  readonly isFirst: boolean;
  /** All its macroblocks are intra coded. Only known where `isFirst`. */
  readonly isIntra: boolean;
}

/** Reads a slice's second byte: `1` is first_mb_in_slice 0, and slice_type (0 to 9) fits the seven bits that follow. */
export function parseSliceStart(second: number): SliceStart {
  if ((second & 0x80) === 0) return { isFirst: false, isIntra: false };
  const sliceType = readUe(Uint8Array.of(second), 1);
  // I and SI, and the same "for all slices of the picture". H.264 table 7-6.
  return { isFirst: true, isIntra: sliceType !== undefined && [2, 4, 7, 9].includes(sliceType) };
}

/** The id of a sequence or picture parameter set, by which a later one replaces an earlier one. */
export function parameterSetId(nal: Uint8Array): number | undefined {
  const raw = unescapeNal(nal.subarray(0, 16));
  // An SPS has profile, constraints and level before its id.
  return readUe(raw, nalType(raw[0] ?? 0) === nalTypes.sps ? 32 : 8);
}
