/** Writes the bits of an H.264 payload. @see ITU-T H.264 7.2, 9.1 */
export class BitWriter {
  readonly #buffer: Buffer;
  #bit = 0;

  /** @param capacity in bytes; more is not written */
  constructor(capacity: number) {
    this.#buffer = Buffer.alloc(capacity);
  }

  /** u(n): the low `count` bits of `value`, at most 32. */
  fixed(count: number, value: number): void {
    for (let index = count - 1; index >= 0; index -= 1) {
      if ((value >>> index) & 1) {
        const at = this.#bit >> 3;
        this.#buffer[at] = (this.#buffer[at] ?? 0) | (0x80 >> (this.#bit & 7));
      }
      this.#bit += 1;
    }
  }

  /** ue(v) */
  unsigned(value: number): void {
    const length = 32 - Math.clz32(value + 1);
    this.fixed(length - 1, 0);
    this.fixed(length, value + 1);
  }

  /** se(v) */
  signed(value: number): void {
    this.unsigned(value > 0 ? 2 * value - 1 : -2 * value);
  }

  /** Zero bits up to the next byte. */
  align(): void {
    this.#bit = (this.#bit + 7) & ~7;
  }

  /** Whole bytes, at a byte's border. */
  bytes(value: Uint8Array): void {
    this.#buffer.set(value, this.#bit >> 3);
    this.#bit += value.length * 8;
  }

  /** The payload with rbsp_trailing_bits. */
  finish(): Buffer {
    this.fixed(1, 1);
    this.align();
    return this.#buffer.subarray(0, this.#bit >> 3);
  }
}
