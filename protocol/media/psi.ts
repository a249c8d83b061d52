/**
 * Program specific information: the sections of PAT and PMT, over packets, with their CRC.
 *
 *     pointer_field [rest of an older section] table_id  1011 length:12  id:16  .. version:5 current:1  number last … CRC32
 *
 * @see ISO/IEC 13818-1 2.4.4
 */

export const patPid = 0;
/** section_length of PAT and PMT is at most 1021. */
const maxSectionBytes = 1024;
const headBytes = 3;

/** One stream of a program, as its PMT names it. */
export interface ProgramStream {
  readonly pid: number;
  readonly streamType: number;
}

export interface Program {
  readonly pcrPid: number;
  /** At most 253: more do not fit a section. */
  readonly streams: readonly ProgramStream[];
}

/** Gathers the sections of one PID. Sections with a wrong CRC, too long or cut off by a loss are dropped. */
export class SectionReader {
  readonly #buffer = new Uint8Array(maxSectionBytes);
  #length = 0;
  #isOpen = false;

  /** A packet was lost: what was gathered is no section. */
  reset(): void {
    this.#length = 0;
    this.#isOpen = false;
  }

  /** @returns the whole, checked sections that end in this payload (copies) */
  push(bytes: Uint8Array, from: number, to: number, isStart: boolean): readonly Uint8Array[] {
    const done: Uint8Array[] = [];
    let at = from;
    if (isStart) {
      const begin = from + 1 + (bytes[from] ?? 0);
      this.#take(bytes, from + 1, Math.min(begin, to), done);
      this.reset();
      this.#isOpen = true;
      at = begin;
    }
    if (at < to) this.#take(bytes, at, to, done);
    return done;
  }

  #take(bytes: Uint8Array, from: number, to: number, done: Uint8Array[]): void {
    let at = from;
    while (this.#isOpen && at < to) {
      // 0xff where a table_id should be is stuffing up to the packet's end.
      if (this.#length === 0 && bytes[at] === 0xff) this.reset();
      else at = this.#takeSome(bytes, at, to);
      const total = this.#total();
      if (total > maxSectionBytes) this.reset();
      else if (this.#length >= headBytes && this.#length === total) this.#close(done);
    }
  }

  #takeSome(bytes: Uint8Array, at: number, to: number): number {
    const missing = (this.#length < headBytes ? headBytes : this.#total()) - this.#length;
    const count = Math.min(missing, to - at);
    this.#buffer.set(bytes.subarray(at, at + count), this.#length);
    this.#length += count;
    return at + count;
  }

  #total(): number {
    if (this.#length < headBytes) return headBytes;
    return headBytes + (((this.#buffer[1] ?? 0) & 0x0f) << 8) + (this.#buffer[2] ?? 0);
  }

  #close(done: Uint8Array[]): void {
    const section = this.#buffer.slice(0, this.#length);
    if (section.length >= 12 && crc32Mpeg(section) === 0) done.push(section);
    this.#length = 0;
  }
}

/** The PMT's PID of the first program of a PAT section, or undefined: another table, not yet valid, or no program. */
export function parsePat(section: Uint8Array): number | undefined {
  if (section[0] !== 0 || !isCurrent(section)) return undefined;
  for (let at = 8; at + 4 <= section.length - 4; at += 4) {
    // Program 0 is the network table.
    if (word(section, at) !== 0) return word(section, at + 2) & 0x1fff;
  }
  return undefined;
}

/** The streams that a PMT section names; undefined for another table, one not yet valid, or lengths that do not fit. */
export function parsePmt(section: Uint8Array): Program | undefined {
  if (section[0] !== 2 || !isCurrent(section) || section.length < 16) return undefined;
  const end = section.length - 4;
  const streams: ProgramStream[] = [];
  let at = 12 + (word(section, 10) & 0x0fff);
  while (at + 5 <= end) {
    streams.push({ streamType: section[at] ?? 0, pid: word(section, at + 1) & 0x1fff });
    at += 5 + (word(section, at + 3) & 0x0fff);
  }
  return at === end ? { pcrPid: word(section, 8) & 0x1fff, streams } : undefined;
}

/** True where two sections say the same, whatever their version. */
export function isSameTable(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  const end = a.length - 4;
  for (let at = 0; at < end; at += 1) if (at !== 5 && a[at] !== b[at]) return false;
  return true;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

/** CRC-32/MPEG-2; 0 over a section that ends in its own CRC. @see ISO/IEC 13818-1 Annex A */
export function crc32Mpeg(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = ((crc << 8) ^ (crcTable[((crc >>> 24) ^ byte) & 0xff] ?? 0)) >>> 0;
  return crc;
}

function isCurrent(section: Uint8Array): boolean {
  return ((section[5] ?? 0) & 1) === 1;
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
