/** One session's stream on its way to the disk: written in batches, made safe once a second, frozen where that fails. */
import type { FileHandle } from 'node:fs/promises';
import type { SinkStream, StreamAddress } from './sink.ts';
import type { RecordFolder } from './record-folder.ts';
import { writeWhole } from './record-folder.ts';
import type { Batch, DraftLine, RecordPlan } from './record-plan.ts';

/** Bytes wait so long for company before they are written, in milliseconds. */
const writeDelayMs = 100;
/** Or until there are so many of them. */
const writeAtBytes = 256 * 1024;
const maxBatchBytes = 1024 * 1024;
/** `Synced`: fdatasync so often while bytes come. `Written` says so as often as acks go out. */
const safeEveryMs = { Synced: 1000, Written: 250 } as const;
const retryAfterMs = 1000;
/** What is held back for a cut that shows late is looked at again so soon. */
const heldDelayMs = 50;

export type Durability = 'Synced' | 'Written';

/** What a stream needs of its sink. */
export interface RecordHost {
  readonly durability: Durability;
  now(): number;
  wake(): void;
  onDurable(stream: SinkStream): void;
  onFailure(error: unknown): void;
  onOpened(stream: RecordStream, path: string): void;
  onGrown(path: string, bytes: number): void;
  onClosed(
    stream: RecordStream,
    segment: { readonly file: string; readonly offset: number; readonly bytes: number },
  ): void;
}

interface Segment {
  readonly file: string;
  readonly handle: FileHandle;
  readonly offset: number;
  position: number;
  isNamed: boolean;
  lines: DraftLine[];
  end: DraftLine | undefined;
}

export class RecordStream implements SinkStream {
  readonly address: StreamAddress;
  readonly folder: RecordFolder;
  readonly #plan: RecordPlan;
  readonly #host: RecordHost;
  readonly #closed = Promise.withResolvers<void>();
  #durable: number | undefined;
  #segment: Segment | undefined;
  /** Taken from the plan and not wholly written yet. */
  #batch: Batch | undefined;
  #waitingSinceMs: number | undefined;
  #unsafeSinceMs: number | undefined;
  #retryAtMs = 0;
  #wantsAll = false;
  #isClosing = false;
  #isDone = false;
  #isAbandoned = false;
  /** A failed fdatasync may have thrown dirty pages away: nothing behind it can be vouched for any more. */
  #isFrozen = false;

  constructor(address: StreamAddress, folder: RecordFolder, plan: RecordPlan, host: RecordHost) {
    this.address = address;
    this.folder = folder;
    this.#plan = plan;
    this.#host = host;
  }

  get durable(): number {
    return this.#durable ?? 0;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  get backlogBytes(): number {
    return this.#isFrozen ? 0 : this.#plan.backlogBytes + (this.#batch?.bytes ?? 0);
  }

  /** True when nothing of it is left to be done. */
  get isDone(): boolean {
    return this.#isDone;
  }

  begin(begin: Parameters<SinkStream['begin']>[0]): void {
    if (this.#isFrozen || this.#isClosing) return;
    this.#durable ??= begin.offset;
    this.#plan.begin(begin, this.#host.now());
  }

  write(bytes: Uint8Array, counted: boolean): void {
    if (this.#isFrozen || this.#isClosing) return;
    const now = this.#host.now();
    this.#plan.write(bytes, counted, now);
    this.#waitingSinceMs ??= now;
    this.#host.wake();
  }

  commit(): void {
    this.#wantsAll = true;
    this.#host.wake();
  }

  close(): Promise<void> {
    this.#isClosing = true;
    this.commit();
    return this.#closed.promise;
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Memory that it holds though its session is over. */
  get leftBytes(): number {
    return this.#isClosing ? this.#plan.backlogBytes + (this.#batch?.bytes ?? 0) : 0;
  }

  /** A disk that takes nothing keeps no bytes of a session that is over: its client has what is not durable. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#isFrozen = true;
    this.#plan.clear();
    this.#closed.resolve();
    if (this.#segment === undefined && this.#batch === undefined) this.#isDone = true;
  }

  /** When there is something to do, on the host's clock; undefined where there is nothing. */
  dueAtMs(mayWrite: boolean): number | undefined {
    if (this.#isDone) return undefined;
    if (this.#isClosing) return 0;
    const isWaiting = mayWrite && (this.#batch !== undefined || !this.#plan.isEmpty);
    const isUnsafe = this.#unsafeSinceMs !== undefined;
    if (!isWaiting && !isUnsafe) return undefined;
    const isAsked = this.#wantsAll && mayWrite;
    return Math.max(this.#retryAtMs, isAsked ? 0 : this.#ordinaryDueAtMs(isWaiting));
  }

  /** Does one piece of work; never throws. @param allowance bytes that the camera may write now */
  async step(allowance: number): Promise<number> {
    let written = 0;
    try {
      if (this.#isAbandoned) await this.#giveUp();
      else written = await this.#writeSome(Math.min(maxBatchBytes, allowance));
      if (!this.#isAbandoned && this.#isSafeDue()) await this.#makeSafe();
      if (this.#isFinishable) await this.#finish();
    } catch (error) {
      this.#retryAtMs = this.#host.now() + retryAfterMs;
      this.#host.onFailure(error);
      if (this.#isClosing) await this.#giveUp();
    }
    return written;
  }

  get #isFinishable(): boolean {
    return this.#isClosing && !this.#isDone && this.#batch === undefined && this.#plan.isEmpty;
  }

  #ordinaryDueAtMs(isWaiting: boolean): number {
    const safeAt = (this.#unsafeSinceMs ?? Infinity) + safeEveryMs[this.#host.durability];
    if (!isWaiting) return safeAt;
    if (this.backlogBytes >= writeAtBytes) return 0;
    return Math.min(safeAt, (this.#waitingSinceMs ?? 0) + writeDelayMs);
  }

  async #writeSome(maxBytes: number): Promise<number> {
    if (maxBytes < 1) return 0;
    const now = this.#host.now();
    const isAsked = this.#wantsAll || this.#isClosing;
    this.#batch ??= this.#plan.take(maxBytes, now, isAsked);
    const batch = this.#batch;
    this.#waitingSinceMs = this.#plan.isEmpty ? undefined : now;
    if (batch === undefined) {
      if (!this.#plan.isEmpty) this.#retryAtMs = now + heldDelayMs;
      return 0;
    }
    const segment = await this.#segmentFor(batch);
    await writeWhole(segment.handle, batch.chunks, batch.position);
    this.#batch = undefined;
    segment.position = batch.position + batch.bytes;
    segment.lines.push(...batch.lines);
    segment.end = batch.end;
    this.#unsafeSinceMs ??= now;
    this.#host.onGrown(this.#pathOf(segment), segment.position);
    return batch.bytes;
  }

  async #segmentFor(batch: Batch): Promise<Segment> {
    const current = this.#segment;
    if (batch.open === undefined && current !== undefined) return current;
    if (current !== undefined && current.offset === batch.open?.offset && current.position === 0)
      return current;
    await this.#closeSegment();
    const offset = batch.open?.offset ?? batch.end.offset;
    const { term, media } = this.address;
    const { file, handle } = await this.folder.createSegment({ term, offset, media });
    const segment: Segment = { file, handle, offset, position: 0, isNamed: false, lines: [], end: undefined };
    this.#segment = segment;
    this.#host.onOpened(this, this.#pathOf(segment));
    return segment;
  }

  #isSafeDue(): boolean {
    if (this.#unsafeSinceMs === undefined) return false;
    if (this.#wantsAll && this.#batch === undefined && this.#plan.isEmpty) return true;
    return this.#host.now() - this.#unsafeSinceMs >= safeEveryMs[this.#host.durability];
  }

  /** The data first, then the lines that vouch for it, then `durable`. */
  async #makeSafe(): Promise<void> {
    const segment = this.#segment;
    if (segment?.end === undefined) return;
    const { end, lines } = segment;
    const isSynced = this.#host.durability === 'Synced';
    if (isSynced) await this.#sync(() => segment.handle.datasync());
    const { term } = this.address;
    await this.folder.append([...lines, end].map((line) => ({ ...line, term, file: segment.file })));
    segment.lines = [];
    if (isSynced) await this.#sync(() => this.folder.syncIndex());
    if (isSynced && !segment.isNamed) await this.#sync(() => this.folder.syncNames());
    segment.isNamed = true;
    segment.end = undefined;
    this.#unsafeSinceMs = undefined;
    if (this.#plan.isEmpty) this.#wantsAll = this.#isClosing;
    this.#raise(end.offset);
  }

  async #sync(operation: () => Promise<void>): Promise<void> {
    try {
      await operation();
    } catch (error) {
      this.#isFrozen = true;
      this.#isClosing = true;
      throw error;
    }
  }

  #raise(offset: number): void {
    if (this.#isFrozen || offset <= this.durable) return;
    this.#durable = offset;
    this.#host.onDurable(this);
  }

  async #closeSegment(): Promise<void> {
    const segment = this.#segment;
    if (segment === undefined) return;
    if (segment.end !== undefined) await this.#makeSafe();
    this.#segment = undefined;
    await segment.handle.close();
    const { file, offset, position } = segment;
    this.#host.onClosed(this, { file, offset, bytes: position });
  }

  async #finish(): Promise<void> {
    await this.#closeSegment();
    this.#isDone = true;
    this.#closed.resolve();
  }

  /** Closing on a disk that takes nothing: what is not safe stays unsafe, and is cut off at the next start. */
  async #giveUp(): Promise<void> {
    const handle = this.#segment?.handle;
    this.#segment = undefined;
    this.#batch = undefined;
    this.#plan.clear();
    this.#isFrozen = true;
    this.#isDone = true;
    await handle?.close().catch(() => undefined);
    this.#closed.resolve();
  }

  #pathOf(segment: Segment): string {
    return `${this.folder.path}/${segment.file}`;
  }
}
