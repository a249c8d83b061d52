/**
 * Reads DER (X.690), what certificates and signed messages are made of, by position.
 *
 *     tag (1 byte) · length (1 byte, or 0x81 to 0x83 and 1 to 3 bytes) · content
 *
 * Our choice over a library: signatures are over bytes, so a reader must say where things stand. It allocates nothing for
 * what it skips, and a flood of messages is read at about 1 µs each (node-forge: 4 µs to read, 9 µs to get the bytes back).
 */

export const derTags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The tag of `[number]`, constructed or primitive. */
export function contextTag(number: number, isConstructed = true): number {
  return (isConstructed ? 0xa0 : 0x80) | number;
}

/** One value: its tag, and where it stands in the bytes that it was read from. */
export interface DerValue {
  readonly bytes: Uint8Array;
  readonly tag: number;
  readonly start: number;
  readonly contentStart: number;
  readonly end: number;
}

/** Tag, length and content. */
export function wholeOf({ bytes, start, end }: DerValue): Uint8Array {
  return bytes.subarray(start, end);
}

export function contentOf({ bytes, contentStart, end }: DerValue): Uint8Array {
  return bytes.subarray(contentStart, end);
}

const nothing: DerValue = { bytes: new Uint8Array(), tag: -1, start: 0, contentStart: 0, end: 0 };

/**
 * Takes the values inside a constructed one, in order. The first mistake sticks: from then on everything taken is empty
 * and `isDone` is false, so a shape is read to its end and judged once.
 */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #next: number;
  #isSound = true;

  constructor(value: DerValue) {
    this.#bytes = value.bytes;
    this.#next = value.contentStart;
    this.#end = value.end;
    this.#isSound = (value.tag & 0x20) !== 0 && value.tag > 0;
  }

  /** Everything was well-formed, expected and taken. */
  get isDone(): boolean {
    return this.#isSound && this.#next === this.#end;
  }

  /** The next value, which must have this tag. */
  take(tag: number): DerValue {
    return this.takeIf(tag) ?? this.#fail();
  }

  /** The next value if it has this tag. */
  takeIf(tag: number): DerValue | undefined {
    if (!this.#isSound || this.#bytes[this.#next] !== tag || this.#next >= this.#end) return undefined;
    return this.takeAny();
  }

  /** The next value, whatever it is. */
  takeAny(): DerValue {
    if (!this.#isSound) return nothing;
    const value = readDerValue(this.#bytes, this.#next, this.#end);
    if (value === undefined) return this.#fail();
    this.#next = value.end;
    return value;
  }

  /** What is left, all of this tag; more than `limit` is a mistake. */
  takeAll(tag: number, limit: number): readonly DerValue[] {
    const values: DerValue[] = [];
    while (this.#isSound && this.#next < this.#end) {
      if (values.length === limit) this.#fail();
      else values.push(this.take(tag));
    }
    return this.#isSound ? values : [];
  }

  #fail(): DerValue {
    this.#isSound = false;
    return nothing;
  }
}

/** The one value that these bytes are; undefined where they are none, or where something follows it. */
export function parseDer(bytes: Uint8Array): DerValue | undefined {
  const value = readDerValue(bytes, 0, bytes.length);
  return value?.end === bytes.length ? value : undefined;
}

/** One value at `start`; undefined where it is not DER: tags above 30, indefinite or padded lengths, beyond the end. */
function readDerValue(bytes: Uint8Array, start: number, limit: number): DerValue | undefined {
  if (start + 2 > limit) return undefined;
  const tag = bytes[start] ?? 0;
  const first = bytes[start + 1] ?? 0;
  const lengthBytes = Math.max(0, first - 0x80);
  const contentStart = start + 2 + lengthBytes;
  if (contentStart > limit || tag === 0 || (tag & 0x1f) === 0x1f) return undefined;
  const length = first < 0x80 ? first : readLongLength(bytes, start + 2, lengthBytes);
  const end = contentStart + length;
  return end > limit ? undefined : { bytes, tag, start, contentStart, end };
}

/** Infinity where fewer bytes would have done, and for an indefinite length, which has none. */
function readLongLength(bytes: Uint8Array, at: number, lengthBytes: number): number {
  let length = 0;
  for (let index = at; index < at + lengthBytes; index += 1) length = length * 256 + (bytes[index] ?? 0);
  return length < 0x80 || length < 256 ** (lengthBytes - 1) ? Infinity : length;
}

/** The content of an OBJECT IDENTIFIER, as the lower-case hexadecimal that `oidOf` gives: `2.5.4.3` is `550403`. */
export function oidHex(dotted: string): string {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return [first * 40 + second, ...rest].map(encodeBase128).join('');
}

function encodeBase128(value: number): string {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.unshift(128 + (rest % 128));
  }
  return Buffer.from(bytes).toString('hex');
}

/** The content of a value as lower-case hexadecimal; for object identifiers, compared with `oidHex`. */
export function oidOf(value: DerValue): string {
  return hexOf(contentOf(value));
}

/** Whether a value's content is this object identifier; what `oidOf` would say, without making a string. */
export function isOid({ bytes, tag, contentStart, end }: DerValue, hex: string): boolean {
  if (tag !== derTags.oid || (end - contentStart) * 2 !== hex.length) return false;
  for (let at = contentStart; at < end; at += 1) {
    const digit = (at - contentStart) * 2;
    if (bytes[at] !== nibble(hex, digit) * 16 + nibble(hex, digit + 1)) return false;
  }
  return true;
}

function nibble(hex: string, at: number): number {
  const code = hex.charCodeAt(at);
  return code < 0x40 ? code - 0x30 : code - 0x57;
}

/** Lower-case hexadecimal. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** Unix milliseconds of a UTCTime or GeneralizedTime in DER's form; undefined for anything else. @see RFC 5280 4.1.2.5 */
export function parseDerTime({ bytes, tag, contentStart, end }: DerValue): number | undefined {
  const isUtc = tag === derTags.utcTime;
  if (!isUtc && tag !== derTags.generalizedTime) return undefined;
  if (end - contentStart !== (isUtc ? 13 : 15) || bytes[end - 1] !== 0x5a) return undefined;
  const pairAt = (index: number) => readTwoDigits(bytes, end - 13 + 2 * index);
  const shortYear = pairAt(0);
  const utcCentury = shortYear < 50 ? 20 : 19;
  const century = isUtc ? utcCentury : readTwoDigits(bytes, contentStart);
  const fields = [pairAt(1), pairAt(2), pairAt(3), pairAt(4), pairAt(5)] as const;
  return dateOf(century * 100 + shortYear, fields)?.getTime();
}

/** NaN where one of them is no digit, which no date is made of. */
function readTwoDigits(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] ?? 0) - 0x30;
  const ones = (bytes[at + 1] ?? 0) - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

type TimeFields = readonly [month: number, day: number, hour: number, minute: number, second: number];

/** Undefined for a 30th of February, which Date makes a 2nd of March of, and for 24:00 and 23:60. */
function dateOf(year: number, [month, day, hour, minute, second]: TimeFields): Date | undefined {
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  const isDay = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  const isMinute = date.getUTCHours() === hour && date.getUTCMinutes() === minute;
  return isDay && isMinute && second < 60 ? date : undefined;
}
