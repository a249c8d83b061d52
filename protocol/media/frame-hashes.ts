/** A hash of each frame's picture data, out of transport stream bytes: what shows that a frame is there, whole. */
import { createHash, type Hash } from 'node:crypto';
import type { FrameHash, FrameSplitter } from './frame-splitter.ts';
import { LeaderPesReader, type PesPlace } from './leader-pes.ts';
import { NalFrames } from './nal-frames.ts';
import { createFrameRules } from './video-codecs.ts';

export type { FrameHash } from './frame-splitter.ts';

/**
 * Hashes frame by frame, in bounded memory, whatever the chunks are.
 *
 * For H.264 the hashes are field 6 of
 * `ffmpeg -i F -map 0:v:0 -c copy -bsf:v h264_mp4toannexb,filter_units=pass_types=1-5 -f framehash -hash md5 -`.
 * For H.265 it is the same command with `hevc_mp4toannexb,filter_units=pass_types=0-31`.
 * Of other codecs, and where there is no video, a frame is the payload of a PES packet of the stream that cuts go by.
 */
export class FrameHasher {
  #frames: FrameHash[] = [];
  #splitter: FrameSplitter | undefined;
  readonly #pes = new LeaderPesReader({
    onStream: (streamType) => {
      this.#splitter?.finish();
      const rules = createFrameRules(streamType);
      this.#splitter = rules === undefined ? new PesFrames(this.#keep) : new NalFrames(rules, this.#keep);
    },
    onPes: (place) => this.#splitter?.begin(place),
    onPayload: (bytes, from, to) => this.#splitter?.push(bytes.subarray(from, to)),
  });

  /** @returns the frames that are known to have ended */
  push(bytes: Uint8Array): readonly FrameHash[] {
    this.#pes.push(bytes);
    return this.#taken();
  }

  /** The stream ends here, and with it the last frame. */
  finish(): readonly FrameHash[] {
    this.#splitter?.finish();
    this.#splitter = undefined;
    return this.#taken();
  }

  readonly #keep = (frame: FrameHash): void => {
    this.#frames.push(frame);
  };

  #taken(): readonly FrameHash[] {
    const frames = this.#frames;
    this.#frames = [];
    return frames;
  }
}

/** The frames of bytes that are all there. */
export function hashFrames(bytes: Uint8Array): readonly FrameHash[] {
  const hasher = new FrameHasher();
  return [...hasher.push(bytes), ...hasher.finish()];
}

class PesFrames implements FrameSplitter {
  readonly #keep: (frame: FrameHash) => void;
  #open: { readonly place: PesPlace; readonly hash: Hash } | undefined;

  constructor(keep: (frame: FrameHash) => void) {
    this.#keep = keep;
  }

  begin(place: PesPlace): void {
    this.finish();
    this.#open = { place, hash: createHash('md5') };
  }

  push(bytes: Uint8Array): void {
    this.#open?.hash.update(bytes);
  }

  finish(): void {
    if (this.#open !== undefined) {
      this.#keep({ ...this.#open.place, hash: this.#open.hash.digest('hex'), isKey: true });
    }
    this.#open = undefined;
  }
}
