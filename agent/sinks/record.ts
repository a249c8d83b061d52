/** The record sink: raw segments and an index, as durable as `durability` says, bounded for each camera. */
import { mkdir } from 'node:fs/promises';
import { relative } from 'node:path';
import { within } from '../clock.ts';
import type { EmitEvent } from '../events.ts';
import { IndexCompaction } from './record-compaction.ts';
import { RecordFolder } from './record-folder.ts';
import { startDiskLoop, type DiskLoop, type Work } from './record-loop.ts';
import { streamFolder } from './record-names.ts';
import { RecordPlan, type SegmentLimits } from './record-plan.ts';
import { RecordRates } from './record-rates.ts';
import { recoverRecordings } from './record-recovery.ts';
import { RecordSpace, type SpaceBounds } from './record-space.ts';
import { type Durability, type RecordHost, RecordStream } from './record-stream.ts';
import type { RetentionLimits } from './record-retention.ts';
import type { Sink, SinkListener, SinkStream, StreamAddress } from './sink.ts';

export interface RecordOptions extends RetentionLimits {
  /** Made where it is missing. */
  readonly directory: string;
  /** Called when the folder is there and nothing in it was touched; where it rejects, nothing will be. */
  readonly claim?: () => Promise<void>;
  /** `Synced` survives a power loss, `Written` the death of the process. Default `Synced`. */
  readonly durability?: Durability;
  /** Space of the file system that is left to others; default 2 GiB. Without it the feature goes. */
  readonly keepFreeBytes?: number;
  /** A camera that sends more for longer is read more slowly; default 16 MiB a second. */
  readonly maxBytesPerSecond?: number;
  readonly segment?: Partial<SegmentLimits>;
  readonly emit: EmitEvent;
}

export interface RecordingSink extends Sink {
  /** Other bounds of space and age from now on. */
  setBounds(bounds: Pick<RecordOptions, keyof SpaceBounds>): void;
}

/**
 * A file is what retention deletes and what a player opens. 64 MiB is two minutes of 4 Mbit/s: fine enough to keep a bound
 * well, and 600 files a day and camera; ten minutes keep a slow sensor's files few and still of some use by age.
 */
const defaultSegment: SegmentLimits = { segmentBytes: 64 * 1024 * 1024, segmentMs: 600_000 };
const defaultKeepFreeBytes = 2 * 1024 ** 3;
const defaultBytesPerSecond = 16 * 1024 ** 2;
const stuckMs = 10_000;
const closeLimitMs = 5000;
/** What sessions that are over may leave to a disk that takes nothing now: clients of a hung disk come again and again. */
const maxLeftBytes = 16 * 1024 * 1024;

/**
 * Opens the sink: makes the directory, cuts back what the last run left unsafe.
 *
 * @throws Error where the directory cannot be made, read or repaired
 */
export async function openRecordSink(options: RecordOptions, listener: SinkListener): Promise<RecordingSink> {
  const tellHanging = setTimeout(() => {
    const message = `opening ${options.directory} has taken ${stuckMs / 1000} s: the server starts when it is there`;
    options.emit({ event: 'warning', reason: 'SinkUnhealthy', message });
  }, stuckMs);
  const { files, cutOffBytes } = await prepare(options).finally(() => clearTimeout(tellHanging));
  if (cutOffBytes > 0) {
    const message = `${cutOffBytes} bytes that the last run had written but not made safe were cut off`;
    options.emit({ event: 'warning', reason: 'RecordingCutBack', message });
  }
  const sink = new RecordSink(options, listener);
  sink.space.adopt(files);
  return sink;
}

function boundsOf({
  keepFreeBytes,
  maxAgeMs,
  maxBytes,
}: Pick<RecordOptions, keyof SpaceBounds>): SpaceBounds {
  return {
    keepFreeBytes: keepFreeBytes ?? defaultKeepFreeBytes,
    ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  };
}

async function prepare({ directory, claim }: RecordOptions): ReturnType<typeof recoverRecordings> {
  await mkdir(directory, { recursive: true, mode: 0o750 });
  await claim?.();
  return recoverRecordings(directory);
}

class RecordSink implements RecordingSink {
  readonly kind = 'record';
  readonly isDurable = true;
  readonly space: RecordSpace;
  readonly #options: RecordOptions;
  readonly #listener: SinkListener;
  readonly #loop: DiskLoop;
  readonly #host: RecordHost;
  readonly #rates: RecordRates;
  readonly #folders = new Map<string, { readonly folder: RecordFolder; users: number }>();
  /** Nobody writes there any more: to be closed, as an operation like the others. */
  readonly #left: RecordFolder[] = [];
  #streams: RecordStream[] = [];
  #compaction: { readonly path: string; readonly index: IndexCompaction } | undefined;
  #isCompactionsTurn = true;
  #problem: string | undefined;

  constructor(options: RecordOptions, listener: SinkListener) {
    this.#options = options;
    this.#listener = listener;
    this.#rates = new RecordRates(options.maxBytesPerSecond ?? defaultBytesPerSecond);
    const { directory } = options;
    this.space = new RecordSpace({ directory, ...boundsOf(options) }, (problem) => this.#setProblem(problem));
    this.#host = this.#makeHost();
    this.#loop = startDiskLoop(
      () => this.#next(),
      stuckMs,
      () => this.#setProblem(`an operation on ${options.directory} has taken ${stuckMs / 1000} s`),
    );
  }

  open(address: StreamAddress): SinkStream {
    this.#boundLeft();
    const path = streamFolder(this.#options.directory, address.name, address.stream);
    const shared = this.#folders.get(path) ?? {
      folder: new RecordFolder(this.#options.directory, path),
      users: 0,
    };
    shared.users += 1;
    this.#folders.set(path, shared);
    const limits = { ...defaultSegment, ...this.#options.segment };
    const plan = new RecordPlan(address.media, limits);
    const stream = new RecordStream(address, shared.folder, plan, this.#host);
    this.#streams.push(stream);
    return stream;
  }

  setBounds(bounds: Pick<RecordOptions, keyof SpaceBounds>): void {
    this.space.setBounds(boundsOf(bounds));
    this.#loop.wake();
  }

  async close(): Promise<void> {
    const closing = Promise.all(this.#streams.map((stream) => stream.close()));
    const isClosed = await within(closing, closeLimitMs);
    await this.#loop.close(isClosed ? closeLimitMs : 0);
  }

  #next(): Work | number {
    const now = performance.now();
    this.#dropDone();
    const left = this.#left.pop();
    if (left !== undefined) return { run: () => left.close().catch(() => undefined) };
    if (this.space.isDue(now)) return { run: () => this.#tend(now) };
    if (this.#compaction !== undefined && this.#isCompactionsTurn) return this.#compact(this.#compaction);
    this.#isCompactionsTurn = true;
    let wait = this.space.dueInMs(now);
    for (const [index, stream] of this.#streams.entries()) {
      const mayWriteInMs = this.#mayWriteInMs(stream, now);
      const dueInMs = (stream.dueAtMs(mayWriteInMs === 0) ?? Infinity) - now;
      if (dueInMs <= 0) return this.#turnOf(stream, { index, mayWrite: mayWriteInMs === 0 });
      wait = Math.min(wait, dueInMs, mayWriteInMs === 0 ? Infinity : mayWriteInMs);
    }
    return this.#compaction === undefined ? wait : 0;
  }

  async #tend(now: number): Promise<void> {
    await this.space.tend(now);
    const path = this.#compaction === undefined ? this.space.takeStaleFolder() : undefined;
    if (path !== undefined) this.#compaction = { path, index: new IndexCompaction(path) };
  }

  /** One step, then it is the streams' turn again. */
  #compact({ path, index }: { readonly path: string; readonly index: IndexCompaction }): Work {
    this.#isCompactionsTurn = false;
    return {
      run: async () => {
        const isDone = await index.step(this.#folders.get(path)?.folder).catch((error: unknown) => {
          const message = `compacting the index of ${path}: ${error instanceof Error ? error.message : 'unknown'}`;
          this.#options.emit({ event: 'warning', reason: 'IndexNotCompacted', message });
          return true;
        });
        if (isDone) this.#compaction = undefined;
      },
    };
  }

  /** The stream goes to the end of the row, so that a busy one keeps nobody waiting. */
  #turnOf(stream: RecordStream, turn: { readonly index: number; readonly mayWrite: boolean }): Work {
    this.#streams.splice(turn.index, 1);
    this.#streams.push(stream);
    const { name } = stream.address;
    return {
      run: async () => {
        const now = performance.now();
        const granted = turn.mayWrite ? this.#rates.allowance(name, now) : 0;
        const allowance = stream.isClosing ? Infinity : granted;
        this.#rates.spend(name, await stream.step(allowance), now);
      },
    };
  }

  #mayWriteInMs(stream: RecordStream, now: number): number {
    if (stream.isClosing) return 0;
    return Math.max(this.#rates.waitMs(stream.address.name, now), this.space.waitMs(now));
  }

  /** Oldest first. */
  #boundLeft(): void {
    let left = this.#streams.reduce((sum, { leftBytes }) => sum + leftBytes, 0);
    for (const stream of this.#streams) {
      if (left <= maxLeftBytes) break;
      if (stream.leftBytes === 0) continue;
      left -= stream.leftBytes;
      stream.abandon();
    }
    this.#dropDone();
  }

  #dropDone(): void {
    if (!this.#streams.some((stream) => stream.isDone)) return;
    for (const stream of this.#streams) if (stream.isDone) this.#leave(stream.folder);
    this.#streams = this.#streams.filter((stream) => !stream.isDone);
  }

  #leave(folder: RecordFolder): void {
    const shared = this.#folders.get(folder.path);
    if (shared === undefined) return;
    shared.users -= 1;
    if (shared.users > 0) return;
    this.#folders.delete(folder.path);
    this.#left.push(folder);
    this.#loop.wake();
  }

  #setProblem(problem: string | undefined): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#listener.onHealth(
      problem === undefined,
      problem ?? `recording to ${this.#options.directory} works again`,
    );
  }

  #makeHost(): RecordHost {
    const { emit, directory } = this.#options;
    return {
      durability: this.#options.durability ?? 'Synced',
      now: () => performance.now(),
      wake: () => this.#loop.wake(),
      onDurable: (stream) => this.#listener.onDurable(stream),
      onFailure: (error) => {
        this.#setProblem(
          `recording to ${directory} fails: ${error instanceof Error ? error.message : 'unknown'}`,
        );
        this.space.failed();
      },
      onOpened: (stream, path) => this.space.opened(path, stream.address.name),
      onGrown: (path, bytes) => this.space.grown(path, bytes),
      onClosed: (stream, { file, offset, bytes }) => {
        const path = `${stream.folder.path}/${file}`;
        this.space.closed(path);
        const shown = relative(directory, path);
        emit({ event: 'recorded', client: stream.address.name, file: shown, offset, bytes });
      },
    };
  }
}
