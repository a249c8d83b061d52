/** Runs the core: one event after the other, its effects in between, and one timer for when it wants to be woken. */
import type { ServerEvent } from './core-events.ts';
import type { ServerState } from './core-state.ts';
import { step } from './core.ts';
import { type ServerHands, applyEffect } from './server-effects.ts';

/** Longer waits overflow Node's timers; the core then finds nothing to do and asks again. */
const longestWaitMs = 3_600_000;

export class CoreLoop {
  readonly #state: ServerState;
  readonly #queue: ServerEvent[] = [];
  #hands: ServerHands | undefined;
  #isRunning = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(state: ServerState) {
    this.#state = state;
  }

  /** From now on events have effects; those that came before are taken first, behind `start`. */
  start(hands: ServerHands): void {
    this.#hands = hands;
    this.#queue.unshift({ kind: 'start', unixMs: Date.now() });
    this.#run();
  }

  /** Effects may bring further events at once: they wait until all effects of this one are done. */
  dispatch(event: ServerEvent): void {
    this.#queue.push(event);
    this.#run();
  }

  wakeAt(atMs: number): void {
    clearTimeout(this.#timer);
    const waitMs = Math.min(longestWaitMs, Math.max(1, Math.ceil(atMs - performance.now())));
    this.#timer = setTimeout(() => this.dispatch({ kind: 'tick' }), waitMs);
  }

  /** Nothing is decided any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#hands = undefined;
  }

  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let event = this.#next(); event !== undefined; event = this.#next()) this.#take(event);
    } finally {
      this.#isRunning = false;
    }
  }

  #take(event: ServerEvent): void {
    for (const effect of step(this.#state, event, performance.now())) {
      if (this.#hands !== undefined) applyEffect(effect, this.#hands);
    }
  }

  #next(): ServerEvent | undefined {
    return this.#hands === undefined ? undefined : this.#queue.shift();
  }
}
