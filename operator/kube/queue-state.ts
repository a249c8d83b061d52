/** Which keys wait, run and come again when: the work queue's rules, without timers. */
import { backOffMs } from './back-off.ts';

/** How a run ended. */
export type RunOutcome =
  | { readonly type: 'done'; readonly retryAfterMs?: number }
  | { readonly type: 'failed'; readonly retryAfterMs?: number | undefined };

const backOff = { firstMs: 500, maxMs: 60_000 };

/** Time and randomness are arguments. */
export class QueueState {
  readonly #concurrency: number;
  /** In the order of their coming. */
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();
  /** When a key may run again. */
  readonly #due = new Map<string, number>();
  readonly #failures = new Map<string, number>();

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  get depth(): number {
    return new Set([...this.#waiting, ...this.#running, ...this.#due.keys()]).size;
  }

  /** Who waits for its time keeps it: a rate limit is no less one because something changed. */
  add(key: string): void {
    if (!this.#due.has(key)) this.#waiting.add(key);
  }

  /** The keys that begin to run now; one that runs already waits for its end. */
  take(nowMs: number): readonly string[] {
    for (const [key, dueMs] of this.#due) {
      if (dueMs > nowMs) continue;
      this.#due.delete(key);
      this.#waiting.add(key);
    }
    const taken: string[] = [];
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#concurrency) break;
      if (this.#running.has(key)) continue;
      this.#waiting.delete(key);
      this.#running.add(key);
      taken.push(key);
    }
    return taken;
  }

  /** What was added meanwhile runs again: at once, or when its time has come. */
  finish(key: string, outcome: RunOutcome, nowMs: number, random: number): void {
    this.#running.delete(key);
    const afterMs = this.#waitOf(key, outcome, random);
    if (afterMs === undefined) return;
    this.#waiting.delete(key);
    this.#due.set(key, nowMs + afterMs);
  }

  /** When `take` finds the next that waits for its time. */
  nextDueMs(): number | undefined {
    return this.#due.size === 0 ? undefined : Math.min(...this.#due.values());
  }

  clear(): void {
    this.#waiting.clear();
    this.#due.clear();
  }

  #waitOf(key: string, outcome: RunOutcome, random: number): number | undefined {
    if (outcome.type === 'done') {
      this.#failures.delete(key);
      return outcome.retryAfterMs;
    }
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    return backOffMs(failures, random, backOff, outcome.retryAfterMs);
  }
}
