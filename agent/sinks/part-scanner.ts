/** Reads along with the counted bytes of parts, with the injected tables in front of them shown to the scanner too. */
import type { MediaType } from '../../protocol/documents.ts';
import type { Mark, MediaScanner } from '../../protocol/media/scanner.ts';
import { createScanner } from '../../protocol/media/scanners.ts';

/** Injected bytes that are kept for the scanner until the first counted one (tables and discontinuities: some kilobytes). */
const maxPreambleBytes = 64 * 1024;

export class PartScanner {
  readonly #media: MediaType;
  #scanner: MediaScanner | undefined;
  /** Set between a `begin` and its first counted byte. */
  #preamble: Uint8Array[] | undefined = [];

  constructor(media: MediaType) {
    this.#media = media;
  }

  begin(): void {
    this.#preamble = [];
  }

  injected(bytes: Uint8Array): void {
    if (this.#preamble === undefined) return;
    if (lengthOf(this.#preamble) + bytes.length <= maxPreambleBytes) this.#preamble.push(bytes);
  }

  /** @param offset of the first of the bytes */
  counted(bytes: Uint8Array, offset: number): readonly Mark[] {
    return this.#scannerAt(offset).push(bytes);
  }

  /** What makes the bytes from a cut on playable by themselves. */
  preamble(offset: number): Uint8Array {
    return this.#scanner?.preamble(offset) ?? new Uint8Array(0);
  }

  #scannerAt(offset: number): MediaScanner {
    if (this.#preamble === undefined && this.#scanner !== undefined) return this.#scanner;
    const shown = this.#preamble ?? [];
    this.#preamble = undefined;
    // Injected tables tell which PID is the video; they end where the counted bytes begin.
    const start = offset - lengthOf(shown);
    const scanner = this.#scanner ?? createScanner(this.#media, start);
    scanner.restart(start);
    for (const chunk of shown) scanner.push(chunk);
    this.#scanner = scanner;
    return scanner;
  }
}

function lengthOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}
