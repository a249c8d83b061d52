/** Plain bytes: any place is a cut. */
import type { Mark, MediaScanner } from './scanner.ts';

/**
 * `application/octet-stream`. One mark a byte would be more than the bytes: told are the first byte and the end of each push,
 * which is where a program that writes records most likely ends one.
 */
export class ByteScanner implements MediaScanner {
  readonly media = 'application/octet-stream';
  readonly elementaryPids: readonly number[] = [];
  #offset: number;
  #isFresh = true;

  constructor(startOffset: number) {
    this.#offset = startOffset;
  }

  push(bytes: Uint8Array): readonly Mark[] {
    if (bytes.length === 0) return [];
    const first = this.#isFresh ? [this.#offset] : [];
    this.#isFresh = false;
    this.#offset += bytes.length;
    return [...first, this.#offset].map((offset) => ({ kind: 'cut', offset, quality: 'idr' }));
  }

  preamble(): Uint8Array {
    return new Uint8Array(0);
  }

  restart(offset: number): void {
    this.#offset = offset;
    this.#isFresh = true;
  }
}
