/** Documents as lines: each ends in LF, CR before it is white space. */
import { bad, good, type Result } from './result.ts';

/** Longest document in bytes, its line end not counted. Our choice: four times the largest that we make. */
export const maxLineBytes = 8192;

/** Why a line reader gives up on a connection. */
export type LineProblem = 'line-too-long';

const lineFeed = 0x0a;

/**
 * Splits a stream of bytes into lines. Holds at most `maxBytes` and the piece that was pushed last.
 *
 * @example
 * reader.push(chunk);
 * for (let line = reader.next(); line !== undefined; line = reader.next()) { … }
 */
export class LineReader {
  readonly #maxBytes: number;
  #held: Buffer = Buffer.alloc(0);
  /** Bytes of `#held` that are known to hold no line end. */
  #searched = 0;

  constructor(maxBytes: number = maxLineBytes) {
    this.#maxBytes = maxBytes;
  }

  /** Takes the next bytes of the stream; call `next()` until it has no more before pushing again. */
  push(bytes: Uint8Array): void {
    this.#held = this.#held.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#held, bytes]);
  }

  /**
   * The next whole line without its end, one character a byte (Latin-1, so that nothing is lost before it is judged), or
   * undefined where it has not come yet. A line above the limit is a problem for good: close the connection.
   */
  next(): Result<string, LineProblem> | undefined {
    const end = this.#held.indexOf(lineFeed, this.#searched);
    const length = end === -1 ? this.#held.length : end;
    if (length > this.#maxBytes) return bad('line-too-long', `reading a line: above ${this.#maxBytes} bytes`);
    if (end === -1) {
      this.#searched = this.#held.length;
      return undefined;
    }
    const line = this.#held.toString('latin1', 0, end);
    this.#held = this.#held.subarray(end + 1);
    this.#searched = 0;
    return good(line);
  }

  /** What follows the last line that was read, for another reader; this one is empty afterwards. */
  rest(): Uint8Array {
    const rest = this.#held;
    this.#held = Buffer.alloc(0);
    this.#searched = 0;
    return rest;
  }
}
