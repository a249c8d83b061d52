/** Looks after the space of recordings: deletes what retention chooses, and watches that the disk is there and has room. */
import { constants } from 'node:fs';
import { access, open, statfs, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type RetentionLimits, type StoredFile, chooseEvictions } from './record-retention.ts';

/** What the recordings of a folder may take. */
export interface SpaceBounds extends RetentionLimits {
  readonly keepFreeBytes: number;
}

export interface SpaceOptions extends SpaceBounds {
  readonly directory: string;
}

/** How often the disk is looked at, in milliseconds: while all is well, while something is wrong, and in the middle of deleting. */
const lookEveryMs = { healthy: 10_000, unhealthy: 2000, deleting: 100 } as const;
/** Writing that much makes a look due sooner: a second of a fast disk. */
const lookAfterBytes = 64 * 1024 * 1024;
/** Deleting is slow on large files: a few at a time, so that streams are not kept waiting. */
const maxDeletions = 8;
const probeFileName = '.homing-probe';

type Stored = { -readonly [Key in keyof StoredFile]: StoredFile[Key] };

export class RecordSpace {
  #options: SpaceOptions;
  readonly #onProblem: (problem: string | undefined) => void;
  readonly #files = new Map<string, Stored>();
  readonly #deletedBytes = new Map<string, number>();
  #lookAtMs = 0;
  #grownBytes = 0;
  #hasMoreToDelete = false;
  #isFull = false;
  #isHealthy = false;

  constructor(options: SpaceOptions, onProblem: (problem: string | undefined) => void) {
    this.#options = options;
    this.#onProblem = onProblem;
  }

  /** Other bounds from now on. */
  setBounds(bounds: SpaceBounds): void {
    this.#options = { directory: this.#options.directory, ...bounds };
    this.#lookSoon();
  }

  adopt(files: readonly StoredFile[]): void {
    for (const file of files) this.#files.set(file.path, { ...file });
  }

  opened(path: string, camera: string): void {
    this.#files.set(path, { path, camera, bytes: 0, modifiedMs: Date.now(), isKept: true });
  }

  grown(path: string, bytes: number): void {
    const file = this.#files.get(path);
    if (file === undefined) return;
    this.#grownBytes += bytes - file.bytes;
    file.bytes = bytes;
    file.modifiedMs = Date.now();
    if (this.#grownBytes >= lookAfterBytes) this.#lookSoon();
  }

  closed(path: string): void {
    const file = this.#files.get(path);
    if (file !== undefined) file.isKept = false;
  }

  /** Something failed: look before the next write, and try. */
  failed(): void {
    this.#isHealthy = false;
    this.#lookSoon();
  }

  /**
   * A folder of which as much has been deleted as is left: half of its index is about nothing. So each line is copied about
   * once in its life.
   */
  takeStaleFolder(): string | undefined {
    for (const [folder, deleted] of this.#deletedBytes) {
      const files = [...this.#files.values()].filter(({ path }) => dirname(path) === folder);
      if (deleted < files.reduce((sum, { bytes }) => sum + bytes, 0)) continue;
      this.#deletedBytes.delete(folder);
      return folder;
    }
    return undefined;
  }

  isDue(nowMs: number): boolean {
    return this.dueInMs(nowMs) <= 0;
  }

  dueInMs(nowMs: number): number {
    return this.#lookAtMs - nowMs;
  }

  /** Until streams may write: a full disk is written to no further. */
  waitMs(nowMs: number): number {
    return this.#isFull ? Math.max(1, this.dueInMs(nowMs)) : 0;
  }

  /** Deletes what is to go, then tries whether the disk takes bytes. Never rejects. */
  async tend(nowMs: number): Promise<void> {
    const problem = await this.#look().catch(
      (error: unknown) => `looking at ${this.#options.directory}: ${told(error)}`,
    );
    this.#grownBytes = 0;
    const everyMs = problem === undefined ? lookEveryMs.healthy : lookEveryMs.unhealthy;
    this.#lookAtMs = nowMs + (this.#hasMoreToDelete ? lookEveryMs.deleting : everyMs);
    this.#isHealthy = problem === undefined;
    this.#onProblem(problem);
  }

  #lookSoon(): void {
    this.#lookAtMs = 0;
  }

  async #look(): Promise<string | undefined> {
    const missing = await this.#missingBytes();
    const chosen = chooseEvictions([...this.#files.values()], this.#options, missing, Date.now());
    for (const file of chosen.slice(0, maxDeletions)) await this.#delete(file.path);
    this.#hasMoreToDelete = chosen.length > maxDeletions;
    const stillMissing = chosen.length === 0 ? missing : await this.#missingBytes();
    this.#isFull = stillMissing > 0;
    if (this.#isFull)
      return `${this.#options.directory} lacks ${stillMissing} bytes to the space that is kept free`;
    // An idle house writes nothing: a healthy disk is only asked, a sick one is tried.
    if (this.#isHealthy) await access(this.#options.directory, constants.W_OK);
    else await this.#probe();
    return undefined;
  }

  async #missingBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#options.directory);
    return Math.max(0, this.#options.keepFreeBytes - bavail * bsize);
  }

  async #delete(path: string): Promise<void> {
    await unlink(path).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    });
    const folder = dirname(path);
    this.#deletedBytes.set(
      folder,
      (this.#deletedBytes.get(folder) ?? 0) + (this.#files.get(path)?.bytes ?? 0),
    );
    this.#files.delete(path);
  }

  async #probe(): Promise<void> {
    const path = join(this.#options.directory, probeFileName);
    const handle = await open(path, 'w', 0o640);
    try {
      await handle.write(Buffer.alloc(4096));
      await handle.datasync();
    } finally {
      await handle.close();
      await unlink(path);
    }
  }
}

function told(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}
