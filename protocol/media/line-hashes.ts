/** A hash of each line, so that lines can be compared as frames are. */
import { createHash, type Hash } from 'node:crypto';
import type { Hashed } from './loss-check.ts';

const lineFeed = 10;

/**
 * Lines of `application/x-ndjson` and `text/plain`, with their line feed: a last line without one is another than a whole one.
 * Lines may be of any length; nothing but a hash is kept of them.
 */
export class LineHasher {
  readonly #isByPlace: boolean;
  #next = 0;
  #line: { readonly offset: number; readonly hash: Hash } | undefined;

  /** @param isByPlace lines are told apart by where they are too: sensors say the same thing often */
  constructor({ isByPlace }: { readonly isByPlace: boolean }) {
    this.#isByPlace = isByPlace;
  }

  /**
   * @param offset of the first byte; what is between two pushes is a hole, and ends a line
   * @returns the lines that have ended
   */
  push(bytes: Uint8Array, offset: number): readonly Hashed[] {
    const lines: Hashed[] = offset === this.#next ? [] : [...this.finish()];
    this.#next = offset + bytes.length;
    for (let from = 0; from < bytes.length;) {
      const feed = bytes.indexOf(lineFeed, from);
      const to = feed === -1 ? bytes.length : feed + 1;
      this.#line ??= this.#begin(offset + from);
      this.#line.hash.update(bytes.subarray(from, to));
      if (feed !== -1) lines.push(...this.finish());
      from = to;
    }
    return lines;
  }

  /** The stream ends here, and with it a line that has no line feed. */
  finish(): readonly Hashed[] {
    const line = this.#line;
    this.#line = undefined;
    return line === undefined ? [] : [{ hash: line.hash.digest('hex'), offset: line.offset }];
  }

  #begin(offset: number): { readonly offset: number; readonly hash: Hash } {
    const hash = createHash('md5');
    if (this.#isByPlace) hash.update(`${offset}\n`);
    return { offset, hash };
  }
}
