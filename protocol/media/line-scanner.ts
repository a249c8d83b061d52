/** Lines: a cut is behind each line feed. */
import type { CutMark, Mark, MediaScanner } from './scanner.ts';

const lineFeed = 10;

/** `application/x-ndjson` and `text/plain`. Keeps nothing but the offset. */
export class LineScanner implements MediaScanner {
  readonly media: 'application/x-ndjson' | 'text/plain';
  readonly elementaryPids: readonly number[] = [];
  #offset: number;

  constructor(media: 'application/x-ndjson' | 'text/plain', startOffset: number) {
    this.media = media;
    this.#offset = startOffset;
  }

  push(bytes: Uint8Array): readonly Mark[] {
    const marks: CutMark[] = [];
    for (let at = bytes.indexOf(lineFeed); at !== -1; at = bytes.indexOf(lineFeed, at + 1)) {
      marks.push({ kind: 'cut', offset: this.#offset + at + 1, quality: 'idr' });
    }
    this.#offset += bytes.length;
    return marks;
  }

  preamble(): Uint8Array {
    return new Uint8Array(0);
  }

  restart(offset: number): void {
    this.#offset = offset;
  }
}
