/** Puts NAL units together to frames by a codec's rules, and hashes their picture data. */
import { createHash, type Hash } from 'node:crypto';
import type { FrameRules } from './frame-rules.ts';
import type { FrameHash, FrameSplitter } from './frame-splitter.ts';
import type { PesPlace } from './leader-pes.ts';
import { NalStream } from './nal-stream.ts';

/** Picture data is hashed in pieces of so many bytes; an update a packet costs more than the hash. Our choice. */
const pieceBytes = 64 * 1024;
const escapeByte = 3;

interface OpenFrame {
  readonly place: PesPlace;
  /** Absent while no picture data came. */
  hash: Hash | undefined;
  isKey: boolean;
}

/** NAL units put together to frames by a codec's rules. */
export class NalFrames implements FrameSplitter {
  readonly #rules: FrameRules;
  readonly #keep: (frame: FrameHash) => void;
  readonly #nals: NalStream;
  /** The PES packet that is being read; without its time once a frame has taken it. */
  #place: PesPlace = { offset: 0 };
  /** The one that the unit began in. */
  #unitPlace: PesPlace = this.#place;
  #frame: OpenFrame | undefined;
  /** The unit's bytes, escaped again, that are not hashed yet. */
  readonly #piece = new Uint8Array(pieceBytes);
  #length = 0;
  /** `head`: not enough of the unit came to judge it. */
  #unit: 'head' | 'hashed' | 'skipped' = 'skipped';
  #zerosInRow = 0;

  constructor(rules: FrameRules, keep: (frame: FrameHash) => void) {
    this.#rules = rules;
    this.#keep = keep;
    this.#nals = new NalStream({
      onNal: () => {
        this.#unit = 'head';
        this.#unitPlace = this.#place;
        this.#length = 0;
        this.#zerosInRow = 0;
      },
      onPiece: (zeros, bytes) => this.#onPiece(zeros, bytes),
      onNalEnd: () => {
        if (this.#unit === 'head' && this.#length > 0) this.#judge();
        this.#flush();
        this.#unit = 'skipped';
      },
    });
  }

  begin(place: PesPlace): void {
    this.#place = place;
  }

  push(bytes: Uint8Array): void {
    this.#nals.push(bytes);
  }

  finish(): void {
    this.#nals.finish();
    this.#endFrame();
  }

  #onPiece(zeros: number, bytes: Uint8Array): void {
    if (this.#unit === 'skipped') return;
    for (let count = 0; count < zeros; count += 1) this.#put(0);
    const first = bytes[0];
    if (first === undefined) return;
    this.#put(first);
    let at = 1;
    while (at < bytes.length) {
      this.#makeRoom();
      const count = Math.min(bytes.length - at, pieceBytes - this.#length);
      this.#piece.set(bytes.subarray(at, at + count), this.#length);
      this.#length += count;
      at += count;
    }
    if (this.#unit === 'head' && this.#length >= this.#rules.headBytes) this.#judge();
  }

  /** Escapes again, in the one way that an encoder must. */
  #put(byte: number): void {
    if (this.#zerosInRow >= 2 && byte <= escapeByte) this.#append(escapeByte);
    this.#append(byte);
    this.#zerosInRow = byte === 0 ? this.#zerosInRow + 1 : 0;
  }

  #append(byte: number): void {
    if (byte === escapeByte) this.#zerosInRow = 0;
    this.#makeRoom();
    this.#piece[this.#length] = byte;
    this.#length += 1;
  }

  #makeRoom(): void {
    if (this.#length < pieceBytes) return;
    if (this.#unit === 'head') this.#judge();
    this.#flush();
  }

  /** Enough of the unit is known: does a frame end before it, and does it count? */
  #judge(): void {
    const head = this.#piece.subarray(0, Math.min(this.#length, this.#rules.headBytes));
    const header = head[0] ?? 0;
    if (this.#rules.begins(head, this.#frame?.hash !== undefined)) this.#endFrame();
    this.#frame ??= this.#openFrame();
    this.#unit = this.#rules.isPicture(header) ? 'hashed' : 'skipped';
    if (this.#unit === 'skipped') this.#length = 0;
    else this.#hashStart(this.#frame, header);
  }

  /** Units before the picture data belong to the frame: it begins where they do. */
  #openFrame(): OpenFrame {
    const place = this.#unitPlace;
    if (this.#place === place) this.#place = { offset: place.offset };
    return { place, hash: undefined, isKey: false };
  }

  #hashStart(frame: OpenFrame, header: number): void {
    frame.isKey ||= this.#rules.isKey(header);
    const startCode = frame.hash === undefined ? [0, 0, 0, 1] : [0, 0, 1];
    frame.hash ??= createHash('md5');
    frame.hash.update(Uint8Array.from(startCode));
  }

  #flush(): void {
    if (this.#unit === 'hashed') this.#frame?.hash?.update(this.#piece.subarray(0, this.#length));
    this.#length = 0;
  }

  #endFrame(): void {
    const frame = this.#frame;
    this.#frame = undefined;
    if (frame?.hash === undefined) return;
    this.#keep({ ...frame.place, hash: frame.hash.digest('hex'), isKey: frame.isKey });
  }
}
