/**
 * PES packet headers.
 *
 *     00 00 01 stream_id  length:16  10 flags  PTS DTS flags…  header_length  [PTS:5] [DTS:5] …  payload
 *     a time stamp: 0010|0011|0001 t32..30 1  t29..22  t21..15 1  t14..7  t6..0 1
 *
 * @see ISO/IEC 13818-1 2.4.3.6
 */

/** Times are 33 bits of 90 kHz and come round every 26.5 hours. */
export const ptsWrap = 2 ** 33;
const fixedBytes = 9;
const maxHeaderBytes = fixedBytes + 255;

export interface PesHeader {
  readonly streamId: number;
  /** 90 kHz, 33 bits. */
  readonly pts?: number;
  readonly dts?: number;
}

/** Stream ids whose packets have no optional header and carry no frames (2.4.3.7). */
const bareStreamIds: ReadonlySet<number> = new Set([0xbc, 0xbe, 0xbf, 0xf0, 0xf1, 0xf2, 0xf8, 0xff]);

/** Gathers one PES header, which may lie over several packets. */
export class PesHeaderReader {
  readonly #buffer = new Uint8Array(maxHeaderBytes);
  #length = 0;

  reset(): void {
    this.#length = 0;
  }

  /**
   * @returns the header and where its payload begins in `bytes`; `more` while it is not whole; `bad` where it is no PES
   */
  push(
    bytes: Uint8Array,
    from: number,
    to: number,
  ): { header: PesHeader; payloadAt: number } | 'more' | 'bad' {
    let at = from;
    while (at < to && this.#length < this.#needed()) {
      const count = Math.min(this.#needed() - this.#length, to - at);
      this.#buffer.set(bytes.subarray(at, at + count), this.#length);
      this.#length += count;
      at += count;
      if (!isPesStart(this.#buffer, this.#length)) return 'bad';
    }
    if (this.#length < this.#needed()) return 'more';
    return { header: parsePesHeader(this.#buffer), payloadAt: at };
  }

  #needed(): number {
    if (this.#length < fixedBytes) return fixedBytes;
    return fixedBytes + (this.#buffer[8] ?? 0);
  }
}

/** The PTS as a 33-bit step from `from` to `to`, between −2³² and 2³² − 1: right across the wrap. */
export function ptsDifference(to: number, from: number): number {
  const step = (to - from) % ptsWrap;
  if (step >= ptsWrap / 2) return step - ptsWrap;
  return step < -ptsWrap / 2 ? step + ptsWrap : step;
}

/** Five bytes of a time stamp. @param prefix 2 a PTS alone, 3 a PTS with a DTS, 1 the DTS */
export function encodeTimestamp(time: number, prefix: 1 | 2 | 3): Uint8Array {
  const high = Math.floor(time / 2 ** 30) & 7;
  const low = time % 2 ** 30;
  return Uint8Array.of(
    (prefix << 4) | (high << 1) | 1,
    (low >>> 22) & 0xff,
    ((low >>> 14) & 0xfe) | 1,
    (low >>> 7) & 0xff,
    ((low << 1) & 0xfe) | 1,
  );
}

const prefix = [0, 0, 1];

function isPesStart(head: Uint8Array, length: number): boolean {
  const isPrefixed = prefix.every((byte, index) => index >= length || head[index] === byte);
  const isBare = length >= 4 && bareStreamIds.has(head[3] ?? 0);
  const isMarked = length < 7 || ((head[6] ?? 0) & 0xc0) === 0x80;
  return isPrefixed && !isBare && isMarked;
}

function parsePesHeader(head: Uint8Array): PesHeader {
  const streamId = head[3] ?? 0;
  const flags = (head[7] ?? 0) >> 6;
  const room = head[8] ?? 0;
  const pts = flags >= 2 && room >= 5 ? parseTimestamp(head, 9) : undefined;
  const dts = flags === 3 && room >= 10 ? parseTimestamp(head, 14) : undefined;
  return { streamId, ...(pts === undefined ? {} : { pts }), ...(dts === undefined ? {} : { dts }) };
}

function parseTimestamp(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) >> 1) & 7;
  const middle = ((bytes[at + 1] ?? 0) << 7) | ((bytes[at + 2] ?? 0) >> 1);
  const low = ((bytes[at + 3] ?? 0) << 7) | ((bytes[at + 4] ?? 0) >> 1);
  return high * 2 ** 30 + middle * 2 ** 15 + low;
}
