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
  /** May be a view of the bytes that were pushed: use it before they are used for something else. */
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
const empty = Buffer.alloc(0);

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

/** Splits a stream of bytes into frames. Holds at most one frame: 64 KiB. */
export class FrameReader {
  readonly #header = Buffer.alloc(frameHeaderBytes);
  #headerFilled = 0;
  #kind: FrameKind = 'media';
  #payload: Buffer | undefined;
  #payloadFilled = 0;
  #problem: FrameProblem | undefined;

  /** Why the stream is unreadable from here on; nothing follows after it. */
  get problem(): FrameProblem | undefined {
    return this.#problem;
  }

  /** The frames that these bytes complete, in order; look at `problem` afterwards. */
  push(bytes: Uint8Array): readonly Frame[] {
    const frames: Frame[] = [];
    let rest: Uint8Array = bytes;
    while (rest.length > 0 && this.#problem === undefined) {
      rest = this.#payload === undefined ? this.#takeHeader(rest, frames) : this.#takePayload(rest, frames);
    }
    return frames;
  }

  #takeHeader(bytes: Uint8Array, frames: Frame[]): Uint8Array {
    const taken = Math.min(frameHeaderBytes - this.#headerFilled, bytes.length);
    this.#header.set(bytes.subarray(0, taken), this.#headerFilled);
    this.#headerFilled += taken;
    const rest = bytes.subarray(taken);
    if (this.#headerFilled < frameHeaderBytes) return rest;
    this.#headerFilled = 0;
    const header = this.#header.readUInt32BE();
    const length = header & lengthMask;
    this.#problem = findProblem(header, length);
    if (this.#problem !== undefined) return empty;
    this.#kind = kindOf(header);
    if (rest.length < length) {
      this.#payload = Buffer.allocUnsafe(length);
      return rest;
    }
    frames.push({ kind: this.#kind, payload: rest.subarray(0, length) });
    return rest.subarray(length);
  }

  #takePayload(bytes: Uint8Array, frames: Frame[]): Uint8Array {
    const payload = this.#payload ?? empty;
    const taken = Math.min(payload.length - this.#payloadFilled, bytes.length);
    payload.set(bytes.subarray(0, taken), this.#payloadFilled);
    this.#payloadFilled += taken;
    if (this.#payloadFilled === payload.length) {
      this.#payload = undefined;
      this.#payloadFilled = 0;
      frames.push({ kind: this.#kind, payload });
    }
    return bytes.subarray(taken);
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
