/** A hash of each line, so that lines can be compared as frames are. */
import { createHash, type Hash } from 'node:crypto';
import type { Hashed } from './loss-check.ts';

const lineFeed = 10;

/**
 * Lines of `application/x-ndjson` and `text/plain`, without their line feed. Lines may be of any length; nothing but a hash is
 * kept of them. Readings that repeat are alike: such a reference is compared by bytes, not by lines.
 */
export class LineHasher {
  #offset = 0;
  #line: { readonly offset: number; readonly hash: Hash } | undefined;

  /** @returns the lines that have ended */
  push(bytes: Uint8Array): readonly Hashed[] {
    const lines: Hashed[] = [];
    let from = 0;
    for (let end = bytes.indexOf(lineFeed); end !== -1; end = bytes.indexOf(lineFeed, from)) {
      this.#add(bytes, from, end);
      lines.push(...this.finish());
      from = end + 1;
    }
    if (from < bytes.length) this.#add(bytes, from, bytes.length);
    this.#offset += bytes.length;
    return lines;
  }

  /** The stream ends here, and with it a line that has no line feed. */
  finish(): readonly Hashed[] {
    const line = this.#line;
    this.#line = undefined;
    return line === undefined ? [] : [{ hash: line.hash.digest('hex'), offset: line.offset }];
  }

  #add(bytes: Uint8Array, from: number, to: number): void {
    this.#line ??= { offset: this.#offset + from, hash: createHash('md5') };
    this.#line.hash.update(bytes.subarray(from, to));
  }
}
