/** The bytes of the test camera, frame by frame. Pure: the same options give the same bytes. */
import { ptsWrap } from '../../protocol/media/pes.ts';
import { TestEncoder } from './test-encoder.ts';
import { TestMuxer } from './test-muxer.ts';
import { type PictureSize, TestPicture } from './test-picture.ts';

export interface TestStreamOptions {
  /** Frames a second, 1 to 60. */
  readonly fps: number;
  /** Seconds from key frame to key frame. */
  readonly gop: number;
  /** Of the first frame, 90 kHz, 33 bits; 1.4 s where absent. Near 2³³ the wrap comes soon. */
  readonly startPts?: number;
  /** 20 × 12 macroblocks (320 × 192) where absent; at least 8 × 4, at most 8192 in all. */
  readonly size?: PictureSize;
  /** Gives each camera its own colours. */
  readonly seed?: number;
}

const defaults = { startPts: 126_000, size: { widthMbs: 20, heightMbs: 12 }, seed: 0 } as const;
const ticksPerSecond = 90_000;

/** All frames differ, in what they show and in their bytes, for 10⁸ frames. */
export class TestStream {
  readonly #fps: number;
  readonly #gopFrames: number;
  readonly #startPts: number;
  readonly #picture: TestPicture;
  readonly #encoder: TestEncoder;
  readonly #muxer = new TestMuxer();
  #frame = 0;

  constructor(options: TestStreamOptions) {
    const { fps, gop, startPts, size, seed } = { ...defaults, ...options };
    if (!Number.isInteger(fps) || fps < 1 || fps > 60)
      throw new RangeError(`test camera: fps ${fps} is not 1 to 60`);
    if (size.widthMbs < 8 || size.heightMbs < 4)
      throw new RangeError('test camera: smaller than 8 × 4 macroblocks');
    this.#fps = fps;
    this.#gopFrames = Math.max(1, Math.round(gop * fps));
    this.#startPts = startPts;
    this.#picture = new TestPicture(size, seed);
    this.#encoder = new TestEncoder(size, fps);
  }

  /** Frames made so far; the number that the next one shows. */
  get frames(): number {
    return this.#frame;
  }

  /** The next frame, as whole packets. */
  next(): Buffer {
    const frame = this.#frame;
    this.#frame += 1;
    const isKey = frame % this.#gopFrames === 0;
    const unit = isKey
      ? this.#encoder.encodeIdr(this.#picture.whole(frame))
      : this.#encoder.encodeInter(this.#picture.changes(frame));
    const pts = (this.#startPts + Math.round((frame * ticksPerSecond) / this.#fps)) % ptsWrap;
    return this.#muxer.mux(unit, pts, isKey);
  }
}
