/** The client's clock along a stream: what it said at `begin`, and what its presentation times add to it. */

const ptsWrap = 2 ** 33;
const ticksPerMs = 90;
/** A jump of presentation time further than this is no passing of time. */
const maxPtsMs = 12 * 3_600_000;

/** Follows one stream. Never a server's clock: that only measures the time that has passed where a stream has none. */
export class RecordClock {
  #begin = { timeMs: 0, atMs: 0 };
  #last: { pts: number; timeMs: number } | undefined;

  /** @param nowMs our own clock, for differences only */
  begin(timeMs: number, nowMs: number): void {
    this.#begin = { timeMs, atMs: nowMs };
    this.#last = undefined;
  }

  /** Presentation times in the order of the stream; the first after `begin` is at its time. */
  see(pts: number): void {
    const last = this.#last;
    const timeMs = last === undefined ? this.#begin.timeMs : (this.#advance(last, pts) ?? last.timeMs);
    this.#last = { pts, timeMs };
  }

  /** Unix milliseconds, whole and never negative. */
  timeAt(pts: number | undefined, nowMs: number): number {
    const last = this.#last;
    if (last === undefined) return whole(this.#begin.timeMs + Math.max(0, nowMs - this.#begin.atMs));
    return whole(pts === undefined ? last.timeMs : (this.#advance(last, pts) ?? last.timeMs));
  }

  #advance(last: { pts: number; timeMs: number }, pts: number): number | undefined {
    let ticks = (pts - last.pts) % ptsWrap;
    if (ticks > ptsWrap / 2) ticks -= ptsWrap;
    if (ticks < -ptsWrap / 2) ticks += ptsWrap;
    const milliseconds = ticks / ticksPerMs;
    if (Math.abs(milliseconds) > maxPtsMs) return undefined;
    return last.timeMs + milliseconds;
  }
}

function whole(timeMs: number): number {
  return Math.max(0, Math.round(timeMs));
}
