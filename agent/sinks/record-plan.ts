/**
 * Decides what of a stream goes into which file, and what the index says of it. No I/O and no clock: bytes go in with
 * `begin` and `write`, and come out as batches for one file each with `take`.
 */
import type { BeginWhy, MediaType } from '../../protocol/documents.ts';
import type { CutMark, Mark } from '../../protocol/media/scanner.ts';
import { PartScanner } from './part-scanner.ts';
import { RecordClock } from './record-clock.ts';
import type { IndexLine, IndexWhy } from './record-index.ts';
import { type BytesItem, type FileItem, RecordQueue } from './record-queue.ts';

export interface SegmentLimits {
  /** A file ends at the first cut behind so many bytes. */
  readonly segmentBytes: number;
  /** A file ends at the first cut after so long. */
  readonly segmentMs: number;
}

/** Index lines of cuts are at least so far apart, in bytes or in time: with lines every byte may be a cut. */
const cutSpacing = { bytes: 16 * 1024, ms: 1000 } as const;
/** What is held back so that a file can end at a cut that shows late: one key frame of a 4K camera at most. */
const maxHeld = { bytes: 4 * 1024 * 1024, ms: 500 } as const;

/** A line before it is known which file it is about. */
export type DraftLine = Omit<IndexLine, 'term' | 'file'>;

/** What is to be done next, for one file. */
export interface Batch {
  /** Set where these bytes begin a new file. */
  readonly open?: { readonly offset: number };
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  /** Where the chunks go in the file. */
  readonly position: number;
  readonly lines: readonly DraftLine[];
  /** The line that vouches for the whole batch once it is safe. */
  readonly end: DraftLine;
}

interface TakeBounds {
  readonly maxBytes: number;
  /** Counted bytes from here on are held back. */
  readonly holdFrom: number;
  readonly nowMs: number;
}

/** One stream's plan. */
export class RecordPlan {
  readonly #limits: SegmentLimits;
  readonly #queue = new RecordQueue();
  readonly #clock = new RecordClock();
  readonly #scanner: PartScanner;
  readonly #cuts: CutMark[] = [];
  #lastCut = { offset: -Infinity, atMs: -Infinity };
  /** Next counted byte behind everything that was written. */
  #offset: number | undefined;
  /** The file that the queue's end is in. */
  #tail = { bytes: 0, openedAtMs: 0 };
  #held: { readonly offset: number; readonly sinceMs: number } | undefined;
  /** Behind everything that was taken. `mapped`: where offset − position last changed. */
  #taken = { offset: 0, position: 0, mapped: 0, isInjected: false };

  constructor(media: MediaType, limits: SegmentLimits) {
    this.#limits = limits;
    this.#scanner = new PartScanner(media);
  }

  /** Bytes written and not taken. */
  get backlogBytes(): number {
    return this.#queue.bytes;
  }

  /** Forgets what was not taken; nothing may be written any more. */
  clear(): void {
    this.#queue.clear();
  }

  /** True where there is nothing to take. */
  get isEmpty(): boolean {
    return this.#queue.isEmpty;
  }

  /** A part begins: in a new file, except where it only goes on (a handover that came back). */
  begin(
    begin: { readonly offset: number; readonly timeMs: number; readonly why: BeginWhy },
    nowMs: number,
  ): void {
    const { offset, why, timeMs: time } = begin;
    this.#clock.begin(time, nowMs);
    if (offset === this.#offset && (why === 'handover' || why === 'replay')) {
      this.#queue.push({ kind: 'part', why, time });
      return;
    }
    this.#offset = offset;
    this.#queue.push({ kind: 'file', offset, why, time });
    this.#tail = { bytes: 0, openedAtMs: nowMs };
    this.#held = undefined;
    this.#lastCut = { offset: -Infinity, atMs: -Infinity };
    this.#scanner.begin();
  }

  /** @throws Error before the first `begin`: then nobody knows where the bytes belong */
  write(bytes: Uint8Array, counted: boolean, nowMs: number): void {
    const offset = this.#offset;
    if (offset === undefined) throw new Error('recording: bytes before the first begin');
    if (bytes.length === 0) return;
    this.#queue.push({ kind: 'bytes', bytes, counted });
    this.#tail.bytes += bytes.length;
    if (!counted) {
      this.#scanner.injected(bytes);
      return;
    }
    this.#offset = offset + bytes.length;
    for (const mark of this.#scanner.counted(bytes, offset)) this.#see(mark, nowMs);
  }

  /** The next work for one file, about `maxBytes` of it at most; undefined where there is none, or all is held back. */
  take(maxBytes: number, nowMs: number, everything = false): Batch | undefined {
    const first = this.#queue.peek();
    if (first === undefined || this.isEmpty) return undefined;
    const lines: DraftLine[] = [];
    if (first.kind === 'file') lines.push(this.#enterFile(first));
    const position = this.#taken.position;
    const chunks = this.#takeBytes(
      { maxBytes, holdFrom: everything ? Infinity : this.#holdFrom(nowMs), nowMs },
      lines,
    );
    lines.push(...this.#cutLines(nowMs));
    const bytes = this.#taken.position - position;
    if (lines.length === 0 && bytes === 0) return undefined;
    const end = this.#line('safe', this.#clock.timeAt(undefined, nowMs));
    const batch = { chunks, bytes, position, lines, end };
    return first.kind === 'file' ? { ...batch, open: { offset: first.offset } } : batch;
  }

  #see(mark: Mark, nowMs: number): void {
    if (mark.kind === 'change') return;
    if (mark.pts !== undefined && (mark.kind === 'cut' || mark.isVideo)) this.#clock.see(mark.pts);
    const isDue =
      this.#tail.bytes >= this.#limits.segmentBytes ||
      nowMs - this.#tail.openedAtMs >= this.#limits.segmentMs;
    if (mark.kind === 'pes') {
      if (mark.isVideo && isDue) this.#held = { offset: mark.offset, sinceMs: nowMs };
      return;
    }
    this.#keepCut(mark, nowMs);
    if (isDue) this.#endFileAt(mark, nowMs);
  }

  #keepCut(cut: CutMark, nowMs: number): void {
    const { offset, atMs } = this.#lastCut;
    if (cut.offset - offset < cutSpacing.bytes && nowMs - atMs < cutSpacing.ms) return;
    this.#lastCut = { offset: cut.offset, atMs: nowMs };
    this.#cuts.push(cut);
  }

  /** Where the cut's bytes have gone already, the next cut will do. */
  #endFileAt(cut: CutMark, nowMs: number): void {
    const file: FileItem = {
      kind: 'file',
      offset: cut.offset,
      why: 'segment',
      time: this.#clock.timeAt(cut.pts, nowMs),
      ...ptsOf(cut),
    };
    // A file is to be playable by itself, so its tables go first.
    const preamble = this.#scanner.preamble(cut.offset);
    const bytesBehind = this.#queue.split(file, preamble, this.#offset ?? 0);
    if (bytesBehind === undefined) return;
    this.#tail = { bytes: bytesBehind + preamble.length, openedAtMs: nowMs };
    this.#held = undefined;
  }

  #holdFrom(nowMs: number): number {
    const held = this.#held;
    if (held === undefined || this.#offset === undefined) return Infinity;
    const isTooMuch = this.#offset - held.offset > maxHeld.bytes || nowMs - held.sinceMs > maxHeld.ms;
    return isTooMuch ? Infinity : held.offset;
  }

  #enterFile(item: FileItem): DraftLine {
    this.#queue.shift();
    const { offset, why, time } = item;
    this.#taken = { offset, position: 0, mapped: offset, isInjected: false };
    while ((this.#cuts[0]?.offset ?? Infinity) < offset) this.#cuts.shift();
    return { offset, position: 0, time, ...ptsOf(item), why };
  }

  #takeBytes(bounds: TakeBounds, lines: DraftLine[]): Uint8Array[] {
    const chunks: Uint8Array[] = [];
    const end = this.#taken.position + bounds.maxBytes;
    for (let item = this.#queue.peek(); item !== undefined; item = this.#queue.peek()) {
      if (item.kind === 'file' || this.#taken.position >= end) break;
      if (item.kind === 'part') {
        lines.push(this.#line(item.why, item.time));
        this.#queue.shift();
        continue;
      }
      const room = item.counted ? bounds.holdFrom - this.#taken.offset : Infinity;
      if (room <= 0) break;
      this.#passEdge(item, lines, bounds.nowMs);
      chunks.push(this.#pass(item, room));
    }
    return chunks;
  }

  #passEdge(item: BytesItem, lines: DraftLine[], nowMs: number): void {
    const taken = this.#taken;
    if (taken.isInjected === !item.counted) return;
    lines.push(...this.#cutLines(nowMs));
    lines.push(this.#line(item.counted ? 'resumed' : 'injected', this.#clock.timeAt(undefined, nowMs)));
    taken.isInjected = !item.counted;
    taken.mapped = taken.offset;
  }

  #pass(item: BytesItem, room: number): Uint8Array {
    const chunk = room < item.bytes.length ? item.bytes.subarray(0, room) : item.bytes;
    if (chunk === item.bytes) this.#queue.shift();
    else this.#queue.shorten(item, chunk.length);
    this.#taken.position += chunk.length;
    if (item.counted) this.#taken.offset += chunk.length;
    return chunk;
  }

  /** Lines for the cuts that have been passed; one whose place in the file is not known any more gets none. */
  #cutLines(nowMs: number): DraftLine[] {
    const lines: DraftLine[] = [];
    const { offset, position, mapped, isInjected } = this.#taken;
    // A cut at the very end waits for its first byte: that may go into the next file.
    for (let cut = this.#cuts[0]; cut !== undefined && cut.offset < offset; cut = this.#cuts[0]) {
      this.#cuts.shift();
      if (cut.offset < mapped || isInjected) continue;
      const time = this.#clock.timeAt(cut.pts, nowMs);
      lines.push({
        offset: cut.offset,
        position: position - (offset - cut.offset),
        time,
        ...ptsOf(cut),
        why: 'cut',
      });
    }
    return lines;
  }

  #line(why: IndexWhy, time: number): DraftLine {
    return { offset: this.#taken.offset, position: this.#taken.position, time, why };
  }
}

function ptsOf(mark: { readonly pts?: number }): { readonly pts?: number } {
  return mark.pts === undefined ? {} : { pts: mark.pts };
}
