/** What splits the payload of a stream into frames and hashes them. */
import type { PesPlace } from './leader-pes.ts';

export interface FrameHash {
  /** MD5, hex, of the frame's VCL NAL units, each behind a start code (four bytes the first, three the others). */
  readonly hash: string;
  /** Where the PES packet begins that the frame begins in. */
  readonly offset: number;
  /** Of the first frame that begins in a PES packet. 90 kHz, 33 bits. */
  readonly pts?: number;
  readonly isKey: boolean;
}

export interface FrameSplitter {
  /** A PES packet begins. */
  begin(place: PesPlace): void;
  push(bytes: Uint8Array): void;
  /** The stream ends, and with it the last frame. */
  finish(): void;
}
