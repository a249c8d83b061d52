/** What a stream is counted in: frames, lines, or bytes; each with a hash, so that what is lost can be told. */
import { createHash } from 'node:crypto';
import type { MediaType } from '../protocol/documents.ts';
import { FrameHasher } from '../protocol/media/frame-hashes.ts';
import type { Hashed } from '../protocol/media/loss-check.ts';

export type Unit = 'frames' | 'lines' | 'bytes';

/** Takes a stream's bytes in order, gives what can be compared. */
export interface UnitHasher {
  readonly units: readonly Hashed[];
  /** @param offset of the first byte in its term; what is between two pushes is a hole */
  push(bytes: Uint8Array, offset: number): void;
  finish(): void;
}

export function unitOf(media: MediaType): Unit {
  if (media === 'video/mp2t') return 'frames';
  return media === 'application/octet-stream' ? 'bytes' : 'lines';
}

/** @param byPlace lines are told apart by where they are too: sensors say the same thing often */
export function createUnitHasher(unit: 'frames' | 'lines', byPlace: boolean): UnitHasher {
  return unit === 'frames' ? new FrameUnits() : new LineUnits(byPlace);
}

class FrameUnits implements UnitHasher {
  readonly units: Hashed[] = [];
  readonly #hasher = new FrameHasher();

  push(bytes: Uint8Array): void {
    this.units.push(...this.#hasher.push(bytes));
  }

  finish(): void {
    this.units.push(...this.#hasher.finish());
  }
}

const lineFeed = 10;

class LineUnits implements UnitHasher {
  readonly units: Hashed[] = [];
  readonly #byPlace: boolean;
  #next: number | undefined;
  #line: { readonly hash: ReturnType<typeof createHash>; readonly offset: number } | undefined;

  constructor(byPlace: boolean) {
    this.#byPlace = byPlace;
  }

  push(bytes: Uint8Array, offset: number): void {
    if (this.#next !== undefined && this.#next !== offset) this.#end();
    this.#next = offset + bytes.length;
    for (let from = 0; from < bytes.length;) {
      const feed = bytes.indexOf(lineFeed, from);
      const to = feed === -1 ? bytes.length : feed + 1;
      this.#line ??= this.#begin(offset + from);
      this.#line.hash.update(bytes.subarray(from, to));
      if (feed !== -1) this.#end();
      from = to;
    }
  }

  finish(): void {
    this.#end();
  }

  #begin(offset: number): { readonly hash: ReturnType<typeof createHash>; readonly offset: number } {
    const hash = createHash('md5');
    if (this.#byPlace) hash.update(`${offset}\n`);
    return { hash, offset };
  }

  #end(): void {
    if (this.#line === undefined) return;
    this.units.push({ hash: this.#line.hash.digest('hex'), offset: this.#line.offset });
    this.#line = undefined;
  }
}
