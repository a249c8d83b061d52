/** The bytes that a client still has to be able to send: held by offset, in blocks, until they are freed. */

/** Our choice: one frame's largest payload, so that a block goes out in one frame. */
export const blockBytes = 65_536;

/**
 * A client's bytes from `start` to `end`. Blocks are written once and never used again: what was handed to a socket stays as
 * it was, even when the ring has forgotten it.
 */
export class Ring {
  #blocks: Buffer[] = [];
  /** Offset of the first byte of the first block. */
  #base = 0;
  #start = 0;
  #end = 0;

  /** The first offset that is held. */
  get start(): number {
    return this.#start;
  }

  /** The next offset. */
  get end(): number {
    return this.#end;
  }

  push(bytes: Uint8Array): void {
    let taken = 0;
    while (taken < bytes.length) {
      const at = this.#end - this.#base;
      const block = this.#blockAt(Math.floor(at / blockBytes));
      const inBlock = at % blockBytes;
      const piece = bytes.subarray(taken, taken + blockBytes - inBlock);
      block.set(piece, inBlock);
      taken += piece.length;
      this.#end += piece.length;
    }
  }

  #blockAt(index: number): Buffer {
    const known = this.#blocks[index];
    if (known !== undefined) return known;
    const block = Buffer.allocUnsafeSlow(blockBytes);
    this.#blocks.push(block);
    return block;
  }

  /**
   * A view of held bytes from `from` on: at least one byte where there is one below `upTo`, at most a block.
   *
   * @throws RangeError for bytes that are not held (a bug of ours: they would be lost)
   */
  read(from: number, upTo: number): Uint8Array {
    if (from < this.#start || upTo > this.#end) {
      throw new RangeError(`reading ${from} to ${upTo} of a ring that holds ${this.#start} to ${this.#end}`);
    }
    const at = from - this.#base;
    const inBlock = at % blockBytes;
    const block = this.#blocks[Math.floor(at / blockBytes)];
    const length = Math.min(upTo - from, blockBytes - inBlock);
    return block === undefined || length <= 0 ? Buffer.alloc(0) : block.subarray(inBlock, inBlock + length);
  }

  /** Forgets the bytes below `upTo`. */
  free(upTo: number): void {
    if (upTo <= this.#start) return;
    this.#start = Math.min(upTo, this.#end);
    const whole = Math.floor((this.#start - this.#base) / blockBytes);
    this.#blocks.splice(0, whole);
    this.#base += whole * blockBytes;
  }
}
