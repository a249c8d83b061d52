/** Annex B as a stream: whole NAL units of any length, without escapes, in pieces. @see ITU-T H.264 Annex B, 7.4.1 */

export interface NalListener {
  onNal(): void;
  /** `zeros` zero bytes, then bytes without a zero among them, which are valid during the call only. */
  onPiece(zeros: number, bytes: Uint8Array): void;
  onNalEnd(): void;
}

/** Zeros at a unit's end belong to nobody (trailing_zero_8bits, cabac_zero_words) and are left out. Keeps no bytes. */
export class NalStream {
  readonly #listener: NalListener;
  #isInside = false;
  /** Zeros in a row in the stream, since the last escape. */
  #rawZeros = 0;
  /** Zeros of the unit that were not told yet. */
  #zeros = 0;

  constructor(listener: NalListener) {
    this.#listener = listener;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (bytes[at] === 0) {
        this.#rawZeros += 1;
        this.#zeros += 1;
        at += 1;
      } else at = this.#takeRun(bytes, at);
    }
  }

  /** The stream ends here, and with it the unit. */
  finish(): void {
    if (this.#isInside) this.#listener.onNalEnd();
    this.#isInside = false;
    this.#rawZeros = 0;
    this.#zeros = 0;
  }

  /** Bytes up to the next zero. */
  #takeRun(bytes: Uint8Array, at: number): number {
    const first = bytes[at];
    const isMarked = this.#rawZeros >= 2;
    this.#rawZeros = 0;
    if (isMarked && first === 1) {
      this.finish();
      this.#isInside = true;
      this.#listener.onNal();
      return at + 1;
    }
    if (isMarked && first === 3) return at + 1;
    const zero = bytes.indexOf(0, at);
    const end = zero === -1 ? bytes.length : zero;
    if (this.#isInside) this.#listener.onPiece(this.#zeros, bytes.subarray(at, end));
    this.#zeros = 0;
    return end;
  }
}
