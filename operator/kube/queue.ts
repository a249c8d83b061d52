/** A queue of keys: one key never runs twice at once, what is added meanwhile runs again, failures wait longer and longer. */
import { QueueState, type RunOutcome } from './queue-state.ts';

export interface WorkQueueOptions {
  run(key: string, signal: AbortSignal): Promise<undefined | { readonly retryAfterMs: number }>;
  readonly concurrency?: number;
  readonly onError?: (key: string, error: Error) => void;
}

export interface WorkQueue {
  add(key: string): void;
  /** Keys that wait, run or are to come again. */
  readonly depth: number;
  /** Aborts what runs and waits for its end. */
  close(): Promise<void>;
}

/** Makes it. */
export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  return new Queue(options);
}

class Queue implements WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #abort = new AbortController();
  readonly #state: QueueState;
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#state = new QueueState(options.concurrency ?? 4);
  }

  get depth(): number {
    return this.#state.depth;
  }

  add(key: string): void {
    if (this.#abort.signal.aborted) return;
    this.#state.add(key);
    this.#next();
  }

  async close(): Promise<void> {
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#state.clear();
    await Promise.allSettled(this.#running);
  }

  #next(): void {
    if (this.#abort.signal.aborted) return;
    for (const key of this.#state.take(performance.now())) {
      const run = this.#run(key).finally(() => this.#running.delete(run));
      this.#running.add(run);
    }
    clearTimeout(this.#timer);
    const dueMs = this.#state.nextDueMs();
    if (dueMs === undefined) return;
    this.#timer = setTimeout(() => this.#next(), Math.ceil(Math.max(0, dueMs - performance.now())));
  }

  async #run(key: string): Promise<void> {
    await Promise.resolve();
    const outcome = await this.#outcomeOf(key);
    this.#state.finish(key, outcome, performance.now(), Math.random());
    this.#next();
  }

  async #outcomeOf(key: string): Promise<RunOutcome> {
    try {
      const again = await this.#options.run(key, this.#abort.signal);
      return { type: 'done', ...again };
    } catch (error) {
      const problem = error instanceof Error ? error : new Error(String(error));
      if (!this.#abort.signal.aborted) this.#options.onError?.(key, problem);
      const wished: unknown = Reflect.get(problem, 'retryAfterMs');
      return { type: 'failed', retryAfterMs: typeof wished === 'number' ? wished : undefined };
    }
  }
}
