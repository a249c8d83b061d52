/** Writes DER of any kind, also such as must not be. */
import { derTags } from '../../protocol/der.ts';

/** Tag, minimal length, and the parts one after the other. */
export function encodeDer(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from([tag, ...encodeLength(length)]), ...parts]);
}

function encodeLength(length: number): readonly number[] {
  if (length < 0x80) return [length];
  if (length < 0x1_00) return [0x81, length];
  if (length < 0x1_00_00) return [0x82, length >> 8, length & 0xff];
  if (length < 0x1_00_00_00) return [0x83, length >> 16, (length >> 8) & 0xff, length & 0xff];
  throw new RangeError(`encoding DER: ${length} bytes are above 16777215`);
}

/** A SET OF in DER's order: ascending by its encoded elements. */
export function encodeDerSet(tag: number, elements: readonly Uint8Array[]): Buffer {
  return encodeDer(tag, ...[...elements].sort((a, b) => Buffer.compare(a, b)));
}

export function encodeOid(hex: string): Buffer {
  return encodeDer(derTags.oid, Buffer.from(hex, 'hex'));
}

/** A non-negative INTEGER out of big-endian bytes. */
export function encodeDerInteger(bytes: Uint8Array): Buffer {
  const firstUsed = bytes.findIndex((byte) => byte !== 0);
  const digits = firstUsed === -1 ? Buffer.from([0]) : bytes.subarray(firstUsed);
  const isNegative = (digits[0] ?? 0) >= 0x80;
  return encodeDer(derTags.integer, isNegative ? Buffer.concat([Buffer.from([0]), digits]) : digits);
}

/** UTCTime until 2049, GeneralizedTime from 2050. @param timeMs whole seconds are kept */
export function encodeDerTime(timeMs: number): Buffer {
  const digits = timeDigits(new Date(timeMs));
  const isUtc = digits < '2050';
  const text = isUtc ? digits.slice(2) : digits;
  return encodeDer(isUtc ? derTags.utcTime : derTags.generalizedTime, Buffer.from(text, 'latin1'));
}

/** `20260102030405Z`: the content of a GeneralizedTime; a UTCTime lacks its first two digits. */
function timeDigits(time: Date): string {
  return `${time.toISOString().replaceAll(/[-:T]|\..*$/g, '')}Z`;
}
