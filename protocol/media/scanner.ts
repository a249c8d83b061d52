/** What a stream's bytes mean for a handover: where one may cut, and what must go before a cut. */
import type { MediaType } from '../documents.ts';

/** Where another server's part may begin. Offsets count the source's bytes since the term began. */
export interface CutMark {
  readonly kind: 'cut';
  readonly offset: number;
  /** `idr` is a whole fresh start; `recovery` (open GOP, CRA, recovery point) decodes fully only when joined. */
  readonly quality: 'idr' | 'recovery' | 'lossy';
  /** Presentation time of the frame in 90 kHz units, 33 bits; absent for media without time. */
  readonly pts?: number;
}

/** A PES packet begins here; a file that ends at one of each PID is whole by itself. */
export interface PesMark {
  readonly kind: 'pes';
  readonly offset: number;
  readonly pid: number;
  readonly isVideo: boolean;
  readonly pts?: number;
}

/** From here on the stream has another PMT or other codec parameters: a `begin` why=codec. */
export interface ChangeMark {
  readonly kind: 'change';
  readonly offset: number;
  readonly what: 'pmt' | 'codec';
}

export type Mark = CutMark | PesMark | ChangeMark;

/**
 * Reads along with a stream. Pure state machine, memory bounded whatever the bytes. Marks are told in the order in which
 * they become known; a cut can be told some packets after its offset has passed (a key frame shows inside its PES).
 */
export interface MediaScanner {
  readonly media: MediaType;
  /** @param bytes the bytes that follow what was pushed before; the first byte is at offset `startOffset` */
  push(bytes: Uint8Array): readonly Mark[];
  /** PIDs with a PES in the current PMT, for the end of a part. Empty where the media has no PIDs. */
  readonly elementaryPids: readonly number[];
  /**
   * What to inject (bytes that are not counted) before counted bytes that do not continue: PAT, PMT, parameter sets, and a
   * packet with discontinuity_indicator for each PID. Empty where nothing is needed or known.
   *
   * @param offset where the counted bytes will go on. For a cut or video PES start told not too long ago, tables, counters
   * and time are those of that place; otherwise, or without it, those of now
   */
  preamble(offset?: number): Uint8Array;
  /** The source began anew: forget partial packets and tables; bytes go on at `offset`. */
  restart(offset: number): void;
}
