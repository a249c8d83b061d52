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
  /** What is held lies from `#start` to `#end`; it grows by doubling, or long lines in small pieces would be copied for ever. */
  #buffer: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  /** Up to here there is no line end. */
  #searched = 0;

  constructor(maxBytes: number = maxLineBytes) {
    this.#maxBytes = maxBytes;
  }

  /** Takes the next bytes of the stream; call `next()` until it has no more before pushing again. */
  push(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#buffer.length) this.#makeRoom(bytes.length);
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /**
   * The next whole line without its end, one character a byte (Latin-1, so that nothing is lost before it is judged), or
   * undefined where it has not come yet. A line above the limit is a problem for good: close the connection.
   */
  next(): Result<string, LineProblem> | undefined {
    const found = this.#buffer.subarray(this.#searched, this.#end).indexOf(lineFeed);
    const end = found === -1 ? this.#end : this.#searched + found;
    if (end - this.#start > this.#maxBytes) {
      return bad('line-too-long', `reading a line: above ${this.#maxBytes} bytes`);
    }
    if (found === -1) {
      this.#searched = this.#end;
      return undefined;
    }
    const line = this.#buffer.toString('latin1', this.#start, end);
    this.#start = end + 1;
    this.#searched = this.#start;
    // A long line is rare: its memory is not kept for the next one.
    if (this.#start === this.#end) this.rest();
    return good(line);
  }

  /** What follows the last line that was read, for another reader; this one is empty afterwards. */
  rest(): Uint8Array {
    const rest = this.#buffer.subarray(this.#start, this.#end);
    this.#buffer = Buffer.alloc(0);
    this.#start = 0;
    this.#end = 0;
    this.#searched = 0;
    return rest;
  }

  #makeRoom(count: number): void {
    const held = this.#buffer.subarray(this.#start, this.#end);
    const room = held.length + count;
    // Nothing held: one line or a few come at once, and no more is needed.
    const larger = Buffer.alloc(held.length === 0 ? room : Math.max(room, held.length * 2));
    larger.set(held);
    this.#searched -= this.#start;
    this.#buffer = larger;
    this.#start = 0;
    this.#end = held.length;
  }
}
