/** When the test camera's next frame is due. Pure. */

/** Further behind than this it does not catch up: the machine slept. Our choice: as long as a session lasts without bytes. */
const givenUpMs = 10_000;

/**
 * Even steps without drift. After a stall, frames come at most at double pace until it has caught up: a burst would look like
 * a network fault to whoever watches.
 */
export class TestPace {
  readonly #stepMs: number;
  #dueMs: number;

  constructor(stepMs: number, nowMs: number) {
    this.#stepMs = stepMs;
    this.#dueMs = nowMs;
  }

  /** A frame is given now. @returns milliseconds until the next one, at least half a step less lateness of the timer */
  next(nowMs: number): number {
    this.#dueMs += this.#stepMs;
    if (this.#dueMs < nowMs - givenUpMs) this.#dueMs = nowMs;
    return Math.max(this.#dueMs - nowMs, this.#stepMs / 2);
  }
}
