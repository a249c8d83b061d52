/** A source that is a file: played at its own pace, once or again and again. */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { MediaType } from '../../protocol/documents.ts';
import { quote } from '../../protocol/result.ts';
import { PcrPacer, type PacedBytes } from './pacing.ts';
import type { Source, SourceListener } from './source.ts';

export interface FileOptions {
  readonly path: string;
  readonly media: MediaType;
  /** Begin again at the end, as a new source session each time. */
  readonly loop: boolean;
  /** Of media without a clock of its own; default 256 KiB a second. */
  readonly bytesPerSecond?: number;
}

const readBytes = 64 * 1024;
const defaultBytesPerSecond = 256 * 1024;
const retryMs = 2000;
/** A loop over an empty or tiny file must not spin. */
const minRoundMs = 20;

/**
 * The path of a file that a resource names: a name below the installation's media directory, nothing else.
 *
 * @returns undefined for a name with a separator or a leading dot
 */
export function mediaFile(directory: string, name: string): string | undefined {
  const isPlain = /^[A-Za-z0-9_][A-Za-z0-9._ -]{0,254}$/.test(name);
  return isPlain ? join(directory, name) : undefined;
}

/** Plays a file. A file that is missing or cannot be read is tried again where it loops, and ends the source otherwise. */
export function openFileSource(options: FileOptions, listener: SourceListener): Source {
  const stopped = new AbortController();
  const player = new FilePlayer(options, listener, stopped.signal);
  const ended = player.run();
  return {
    setPaused: (isPaused) => player.setPaused(isPaused),
    close: async () => {
      stopped.abort();
      player.setPaused(false);
      await ended;
    },
  };
}

class FilePlayer {
  readonly #options: FileOptions;
  readonly #listener: SourceListener;
  readonly #signal: AbortSignal;
  #hasGivenBytes = false;
  #resumed: PromiseWithResolvers<void> | undefined;

  constructor(options: FileOptions, listener: SourceListener, signal: AbortSignal) {
    this.#options = options;
    this.#listener = listener;
    this.#signal = signal;
  }

  setPaused(isPaused: boolean): void {
    if (isPaused) this.#resumed ??= Promise.withResolvers<void>();
    else {
      this.#resumed?.resolve();
      this.#resumed = undefined;
    }
  }

  async run(): Promise<void> {
    do {
      const isPlayed = await this.#playOnce();
      if (this.#options.loop) await this.#sleep(isPlayed ? minRoundMs : retryMs);
    } while (this.#options.loop && !this.#signal.aborted);
    if (!this.#signal.aborted) this.#listener.onEnd();
  }

  async #playOnce(): Promise<boolean> {
    try {
      const handle = await open(this.#options.path);
      try {
        this.#listener.onState({
          ready: true,
          reason: 'Playing',
          message: `playing ${quote(this.#options.path)}`,
        });
        await this.#play(handle);
      } finally {
        await handle.close();
      }
      return true;
    } catch (error) {
      if (this.#signal.aborted) return true;
      const message = error instanceof Error ? error.message : 'unknown';
      this.#listener.onState({
        ready: false,
        reason: 'ReadFailed',
        message: `playing a file: ${quote(message)}`,
      });
      return false;
    }
  }

  async #play(handle: FileHandle): Promise<void> {
    const pace = this.#options.media === 'video/mp2t' ? new PcrPacer() : new EvenPacer(this.#bytesPerSecond);
    let startedAtMs = performance.now();
    let isFirst = true;
    const give = async (paced: PacedBytes): Promise<void> => {
      startedAtMs += await this.#waitWhilePaused();
      await this.#sleep(startedAtMs + paced.dueMs - performance.now());
      if (this.#signal.aborted || paced.bytes.length === 0) return;
      if (isFirst && this.#hasGivenBytes) this.#listener.onRestart();
      isFirst = false;
      this.#hasGivenBytes = true;
      this.#listener.onBytes(paced.bytes);
    };
    while (!this.#signal.aborted) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(readBytes), 0, readBytes);
      if (bytesRead === 0) break;
      for (const paced of pace.push(buffer.subarray(0, bytesRead))) await give(paced);
    }
    await give(pace.flush());
  }

  get #bytesPerSecond(): number {
    return this.#options.bytesPerSecond ?? defaultBytesPerSecond;
  }

  async #waitWhilePaused(): Promise<number> {
    if (this.#resumed === undefined) return 0;
    const since = performance.now();
    await this.#resumed.promise;
    return performance.now() - since;
  }

  async #sleep(milliseconds: number): Promise<void> {
    if (milliseconds < 1 || this.#signal.aborted) return;
    await delay(milliseconds, undefined, { signal: this.#signal }).catch(() => undefined);
  }
}

/** A steady rate, for media that do not say how fast they are. */
class EvenPacer {
  readonly #bytesPerSecond: number;
  #bytes = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  push(input: Uint8Array): readonly PacedBytes[] {
    const paced: PacedBytes[] = [];
    const step = Math.max(1, Math.ceil(this.#bytesPerSecond / 25));
    for (let at = 0; at < input.length; at += step) {
      const bytes = input.subarray(at, at + step);
      paced.push({ bytes, dueMs: (this.#bytes / this.#bytesPerSecond) * 1000 });
      this.#bytes += bytes.length;
    }
    return paced;
  }

  flush(): PacedBytes {
    return { bytes: new Uint8Array(0), dueMs: (this.#bytes / this.#bytesPerSecond) * 1000 };
  }
}
