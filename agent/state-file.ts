/** STATE/state.json: what an agent must remember over a restart (boot, peers with hold-down, terms). */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { within } from './clock.ts';

/** Sections by owner (`server`, a client's name); each owner parses what it gets back. */
export interface StateFile {
  read(section: string): unknown;
  /** Takes the value and returns at once; it is on disk within about a second. An unchanged value writes nothing. */
  write(section: string, value: unknown): void;
  /** Resolves when all that was given is on disk, or could not be written. */
  flush(): Promise<void>;
  /** Flushes, for 5 s at most where the file system hangs, and stops. */
  close(): Promise<void>;
}

export interface StateFileOptions {
  readonly directory: string;
  /** A file that could not be read or written; the agent goes on without. */
  readonly onProblem: (message: string) => void;
  /** Least time between two writes: SD cards die of writes. @defaultValue 1000 */
  readonly intervalMs?: number;
}

const fileName = 'state.json';
const previousName = 'state.json.previous';
/** Ours are a few KiB; what is larger is not ours. */
const maxStateBytes = 4 * 1024 * 1024;
const retryAfterMs = 10_000;
const closeLimitMs = 5000;

/**
 * Opens the state, made empty where there is none. A file that does not parse (a torn write of a worn-out card) is passed
 * over for the one before it; both damaged is an empty state and a problem told, never a failed start.
 */
export async function openStateFile(options: StateFileOptions): Promise<StateFile> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  return new WrittenState(options, await readSections(options));
}

class WrittenState implements StateFile {
  readonly #options: StateFileOptions;
  readonly #sections: Map<string, unknown>;
  #written: string;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #nextWriteAtMs = 0;
  #isClosed = false;

  constructor(options: StateFileOptions, sections: Map<string, unknown>) {
    this.#options = options;
    this.#sections = sections;
    this.#written = this.#text();
  }

  read(section: string): unknown {
    return this.#sections.get(section);
  }

  write(section: string, value: unknown): void {
    this.#sections.set(section, value);
    this.#schedule();
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(async () => this.#writeNow());
    await this.#writing;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await within(this.flush(), closeLimitMs);
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    const waitMs = Math.max(0, this.#nextWriteAtMs - performance.now());
    this.#timer = setTimeout(() => void this.flush(), waitMs);
    this.#timer.unref();
  }

  async #writeNow(): Promise<void> {
    const text = this.#text();
    if (text === this.#written) return;
    this.#nextWriteAtMs = performance.now() + (this.#options.intervalMs ?? 1000);
    try {
      await replaceFile(this.#options.directory, text);
      this.#written = text;
    } catch (error) {
      this.#nextWriteAtMs = performance.now() + retryAfterMs;
      this.#options.onProblem(`writing ${join(this.#options.directory, fileName)}: ${messageOf(error)}`);
      this.#schedule();
    }
  }

  #text(): string {
    return JSON.stringify({ version: 1, sections: Object.fromEntries(this.#sections) });
  }
}

/** Atomic whatever is killed when: the new file is whole on disk before it takes the name, and the old one keeps another. */
async function replaceFile(directory: string, text: string): Promise<void> {
  const path = join(directory, fileName);
  const fresh = `${path}.new`;
  await using file = await open(fresh, 'w', 0o600);
  await file.writeFile(text);
  await file.datasync();
  await rename(path, join(directory, previousName)).catch(ignoreMissing);
  await rename(fresh, path);
  await using folder = await open(directory, 'r');
  await folder.sync();
}

async function readSections(options: StateFileOptions): Promise<Map<string, unknown>> {
  for (const name of [fileName, previousName]) {
    const path = join(options.directory, name);
    try {
      const text = await readFile(path, { encoding: 'utf8' });
      return parseSections(text);
    } catch (error) {
      if (!isMissing(error)) options.onProblem(`reading ${path}: ${messageOf(error)}`);
    }
  }
  return new Map();
}

function parseSections(text: string): Map<string, unknown> {
  if (text.length > maxStateBytes) throw new RangeError(`larger than ${maxStateBytes} bytes`);
  const parsed: unknown = JSON.parse(text);
  const isOurs = isObject(parsed) && parsed['version'] === 1 && isObject(parsed['sections']);
  if (!isOurs || !isObject(parsed['sections'])) throw new TypeError('this is no state of version 1');
  return new Map(Object.entries(parsed['sections']));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
