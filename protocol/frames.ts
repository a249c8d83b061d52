/**
 * Frames: what a client sends after its first line.
 *
 *      0 1 2           31
 *     +-+-+-+------------+----------------+
 *     |C|I|    length    |    payload     |   big-endian; C control, I injected, never both
 *     +-+-+--------------+----------------+
 *
 * `length` is 1 to 65,536. Our choice: 4 bytes before at most 64 KiB cost 0.006 % and fit one TLS write.
 */
import { maxLineBytes } from './lines.ts';

/** Media is counted by offsets; injected bytes (tables, discontinuity packets) are not; control is one document. */
export type FrameKind = 'media' | 'injected' | 'control';

export interface Frame {
  readonly kind: FrameKind;
  /**
   * Whole for `control`. Of the others what has come, so that nothing waits and nothing is copied: a frame may give several.
   * May be a view of the bytes that were pushed: use it before they are used for something else.
   */
  readonly payload: Uint8Array;
}

/** Why a frame reader gives up on a connection. */
export type FrameProblem = 'frame-length' | 'frame-flags' | 'control-length';

const frameHeaderBytes = 4;
export const maxFramePayloadBytes = 65_536;

const controlBit = 0x8000_0000;
const injectedBit = 0x4000_0000;
const lengthMask = 0x3fff_ffff;
const flags: Readonly<Record<FrameKind, number>> = { media: 0, injected: injectedBit, control: controlBit };

/** The 4 bytes before a payload of `length`. Throws RangeError where no such frame exists (a bug of ours). */
export function encodeFrameHeader(kind: FrameKind, length: number): Buffer {
  const limit = kind === 'control' ? maxLineBytes : maxFramePayloadBytes;
  if (length < 1 || length > limit) throw new RangeError(`encoding a ${kind} frame of ${length} bytes`);
  const header = Buffer.allocUnsafe(frameHeaderBytes);
  header.writeUInt32BE((length | flags[kind]) >>> 0);
  return header;
}

/** One whole frame. For large media write the header and the payload apart instead of copying. */
export function encodeFrame(kind: FrameKind, payload: Uint8Array | string): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  return Buffer.concat([encodeFrameHeader(kind, bytes.length), bytes]);
}

/** Splits a stream of bytes into frames. Holds at most one document: 8 KiB. */
export class FrameReader {
  readonly #header = Buffer.alloc(frameHeaderBytes);
  #headerFilled = 0;
  #kind: FrameKind = 'media';
  /** Of the frame's payload still to come. */
  #left = 0;
  /** A document that comes in pieces. */
  #document: Buffer | undefined;
  #problem: FrameProblem | undefined;

  /** Why the stream is unreadable from here on; nothing follows after it. */
  get problem(): FrameProblem | undefined {
    return this.#problem;
  }

  /** What these bytes bring, in order; look at `problem` afterwards. */
  push(bytes: Uint8Array): readonly Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (at < bytes.length && this.#problem === undefined) {
      if (this.#left === 0) {
        at = this.#takeHeader(bytes, at);
        continue;
      }
      const piece = bytes.subarray(at, at + this.#left);
      at += piece.length;
      this.#left -= piece.length;
      const payload = this.#kind === 'control' ? this.#takeDocument(piece) : piece;
      if (payload !== undefined) frames.push({ kind: this.#kind, payload });
    }
    return frames;
  }

  /** @returns where it ends, or `bytes` do */
  #takeHeader(bytes: Uint8Array, at: number): number {
    const taken = bytes.subarray(at, at + frameHeaderBytes - this.#headerFilled);
    this.#header.set(taken, this.#headerFilled);
    this.#headerFilled += taken.length;
    if (this.#headerFilled < frameHeaderBytes) return at + taken.length;
    this.#headerFilled = 0;
    const header = this.#header.readUInt32BE();
    const length = header & lengthMask;
    this.#problem = findProblem(header, length);
    this.#kind = kindOf(header);
    this.#left = length;
    return at + taken.length;
  }

  /** @returns the document once it is whole */
  #takeDocument(piece: Uint8Array): Uint8Array | undefined {
    if (this.#document === undefined && this.#left === 0) return piece;
    const whole = this.#document ?? Buffer.allocUnsafe(piece.length + this.#left);
    whole.set(piece, whole.length - this.#left - piece.length);
    this.#document = this.#left === 0 ? undefined : whole;
    return this.#left === 0 ? whole : undefined;
  }
}

function kindOf(header: number): FrameKind {
  if ((header & controlBit) !== 0) return 'control';
  return (header & injectedBit) === 0 ? 'media' : 'injected';
}

function findProblem(header: number, length: number): FrameProblem | undefined {
  if ((header & controlBit) !== 0 && (header & injectedBit) !== 0) return 'frame-flags';
  if (length < 1 || length > maxFramePayloadBytes) return 'frame-length';
  return (header & controlBit) !== 0 && length > maxLineBytes ? 'control-length' : undefined;
}
