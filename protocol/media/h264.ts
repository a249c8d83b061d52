/** What H.264 NAL units say, as far as cuts and hashes need it. @see ITU-T H.264 7.3, 7.4, Annex D */
import { unescapeNal } from './nal-heads.ts';

export const nalTypes = { slice: 1, partitionA: 2, idr: 5, sei: 6, sps: 7, pps: 8, delimiter: 9 } as const;

const recoveryPointPayload = 6;

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

/** True where an SEI unit's messages include a recovery point. @see ITU-T H.264 D.1.8 */
export function hasRecoveryPoint(nal: Uint8Array): boolean {
  const raw = unescapeNal(nal);
  let at = 1;
  // The last byte is the stop bit; a message is at least two bytes.
  while (at + 2 < raw.length) {
    const type = readExtended(raw, at);
    const size = readExtended(raw, type.next);
    if (type.value === recoveryPointPayload) return true;
    at = size.next + size.value;
  }
  return false;
}

/** Exp-Golomb code at a bit position; undefined where it does not fit. @see ITU-T H.264 9.1 */
export function readUe(bytes: Uint8Array, bitAt: number): number | undefined {
  const end = bytes.length * 8;
  let zeros = 0;
  while (bitAt + zeros < end && bit(bytes, bitAt + zeros) === 0) zeros += 1;
  if (zeros > 31 || bitAt + 2 * zeros >= end) return undefined;
  let value = 0;
  for (let index = 0; index <= zeros; index += 1) value = value * 2 + bit(bytes, bitAt + zeros + index);
  return value - 1;
}

function bit(bytes: Uint8Array, at: number): number {
  return ((bytes[at >> 3] ?? 0) >> (7 - (at & 7))) & 1;
}

function readExtended(raw: Uint8Array, from: number): { readonly value: number; readonly next: number } {
  let at = from;
  let value = 0;
  while (raw[at] === 0xff) {
    value += 255;
    at += 1;
  }
  return { value: value + (raw[at] ?? 0), next: at + 1 };
}
