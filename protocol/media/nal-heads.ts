/**
 * NAL units in an Annex B byte stream, and the beginning of each.
 *
 *     … 00 00 01 [header … payload, with 03 put after every 00 00] [00 …] 00 00 01 …
 *
 * @see ITU-T H.264 Annex B and 7.3.1; H.265 Annex B is the same
 */

/** A NAL unit's first bytes, header included, escapes still in it. */
export interface NalHead {
  readonly bytes: Uint8Array;
  /** False where there is more of it than was asked for. */
  readonly isWhole: boolean;
}

const maxHeadBytes = 1024;

/**
 * Finds the NAL units of one PES packet, whatever the chunks are. A head is told when as many bytes as wanted have come, or
 * when the unit ends.
 */
export class NalHeadReader {
  readonly #wantedBytes: (header: number) => number;
  readonly #head = new Uint8Array(maxHeadBytes);
  #length = 0;
  #wanted = 0;
  #zeros = 0;
  #isInside = false;
  #hasJunk = false;

  /** @param wantedBytes how much is wanted of a unit with this first byte: 0 to 1024 */
  constructor(wantedBytes: (header: number) => number) {
    this.#wantedBytes = wantedBytes;
  }

  /** There were bytes before the first start code: the packet begins in the middle of something. */
  get hasJunk(): boolean {
    return this.#hasJunk;
  }

  /** Begins anew at a PES packet's payload. */
  reset(): void {
    this.#length = 0;
    this.#wanted = 0;
    this.#zeros = 0;
    this.#isInside = false;
    this.#hasJunk = false;
  }

  /** @returns position behind the last byte read: it stops behind each head, which `onHead` is given (a copy) */
  push(
    bytes: Uint8Array,
    from: number,
    to: number,
  ): { readonly head: NalHead | undefined; readonly at: number } {
    for (let at = from; at < to; at += 1) {
      const head = this.#take(bytes[at] ?? 0);
      if (head !== undefined) return { head, at: at + 1 };
    }
    return { head: undefined, at: to };
  }

  #take(byte: number): NalHead | undefined {
    const isStartCode = byte === 1 && this.#zeros >= 2;
    this.#zeros = byte === 0 ? this.#zeros + 1 : 0;
    if (isStartCode) return this.#open();
    if (!this.#isInside) {
      if (byte !== 0) this.#hasJunk = true;
      return undefined;
    }
    if (this.#length === 0) this.#wanted = Math.min(this.#wantedBytes(byte), maxHeadBytes);
    if (this.#length >= this.#wanted) {
      this.#length = Math.max(this.#length, 1);
      return undefined;
    }
    this.#head[this.#length] = byte;
    this.#length += 1;
    return this.#length === this.#wanted
      ? { bytes: this.#head.slice(0, this.#length), isWhole: false }
      : undefined;
  }

  #open(): NalHead | undefined {
    const isPending = this.#isInside && this.#length > 0 && this.#length < this.#wanted;
    let end = this.#length;
    while (end > 0 && this.#head[end - 1] === 0) end -= 1;
    const head = isPending ? { bytes: this.#head.slice(0, end), isWhole: true } : undefined;
    this.#isInside = true;
    this.#length = 0;
    this.#wanted = 0;
    return head;
  }
}

/** Takes out the emulation prevention bytes: the raw payload. @see ITU-T H.264 7.4.1 */
export function unescapeNal(bytes: Uint8Array): Uint8Array {
  const raw = new Uint8Array(bytes.length);
  let length = 0;
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    raw[length] = byte;
    length += 1;
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return raw.subarray(0, length);
}
