/** A queue of keys: one key never runs twice at once, what is added meanwhile runs again, failures wait longer and longer. */

export interface WorkQueueOptions {
  run(key: string, signal: AbortSignal): Promise<undefined | { readonly retryAfterMs: number }>;
  readonly concurrency?: number;
  readonly onError?: (key: string, error: Error) => void;
}

export interface WorkQueue {
  add(key: string): void;
  readonly depth: number;
  close(): Promise<void>;
}

/** Makes it. */
export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  return new Queue(options);
}

const firstBackOffMs = 500;
const maxBackOffMs = 60_000;

class Queue implements WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #abort = new AbortController();
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #failures = new Map<string, number>();

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  get depth(): number {
    return this.#waiting.size + this.#running.size + this.#timers.size;
  }

  add(key: string): void {
    if (this.#abort.signal.aborted) return;
    // Who waits for its time keeps it: a rate limit is no less one because something changed.
    if (this.#timers.has(key)) return;
    this.#waiting.add(key);
    this.#next();
  }

  async close(): Promise<void> {
    this.#abort.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting.clear();
    await Promise.allSettled(this.#running.values());
  }

  #next(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= (this.#options.concurrency ?? 4)) return;
      if (this.#running.has(key)) continue;
      this.#waiting.delete(key);
      this.#running.set(key, this.#run(key));
    }
  }

  async #run(key: string): Promise<void> {
    await Promise.resolve();
    let again: number | undefined;
    try {
      again = (await this.#options.run(key, this.#abort.signal))?.retryAfterMs;
      this.#failures.delete(key);
    } catch (error) {
      if (!this.#abort.signal.aborted) {
        this.#options.onError?.(key, error instanceof Error ? error : new Error(String(error)));
        const failures = (this.#failures.get(key) ?? 0) + 1;
        this.#failures.set(key, failures);
        again = Math.min(firstBackOffMs * 2 ** (failures - 1), maxBackOffMs);
      }
    }
    this.#running.delete(key);
    if (again !== undefined && !this.#abort.signal.aborted) this.#later(key, again);
    this.#next();
  }

  #later(key: string, afterMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.add(key);
    }, afterMs);
    this.#timers.set(key, timer);
  }
}
