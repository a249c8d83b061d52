/** What a stream is counted in: frames, lines, or bytes; frames and lines by a hash each, so that what is lost can be told. */
import type { MediaType } from '../documents.ts';
import { FrameHasher } from './frame-hashes.ts';
import { LineHasher } from './line-hashes.ts';
import type { Hashed } from './loss-check.ts';

export type Unit = 'frames' | 'lines' | 'bytes';

/** Takes a stream's bytes in order; both calls return the units that have ended. */
export interface UnitHasher {
  /** @param offset of the first byte in its term; what is between two pushes is a hole */
  push(bytes: Uint8Array, offset: number): readonly Hashed[];
  finish(): readonly Hashed[];
}

export function unitOf(media: MediaType): Unit {
  if (media === 'video/mp2t') return 'frames';
  return media === 'application/octet-stream' ? 'bytes' : 'lines';
}

/** @param isByPlace of lines, where two streams have the same offsets: lines are often alike */
export function createUnitHasher(
  unit: Exclude<Unit, 'bytes'>,
  { isByPlace }: { readonly isByPlace: boolean },
): UnitHasher {
  return unit === 'frames' ? new FrameHasher() : new LineHasher({ isByPlace });
}
