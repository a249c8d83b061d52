/** What was dropped, told at most once a second a reason: a flood must not become a flood of lines. Pure. */
import type { EmitEvent } from '../events.ts';

const tellEveryMs = 1000;
/** Reasons come out of closed lists; a caller's mistake must not grow this for ever. */
const maxReasons = 128;

interface Tally {
  total: number;
  untold: number;
  toldAtMs: number;
  detail: string;
  from: string | undefined;
}

export interface Drop {
  readonly reason: string;
  /** Safe to print. */
  readonly detail: string;
  readonly from?: string;
}

/** Counts drops by reason and tells of them: the first at once, then the last of each second with their number. */
export class Drops {
  readonly #emit: EmitEvent;
  readonly #quiet: ReadonlySet<string>;
  readonly #tallies = new Map<string, Tally>();

  /** @param quiet reasons that are counted and never told */
  constructor(emit: EmitEvent, quiet: ReadonlySet<string> = new Set()) {
    this.#emit = emit;
    this.#quiet = quiet;
  }

  /** How many there were, by reason. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#tallies].map(([reason, { total }]) => [reason, total]));
  }

  note({ reason, detail, from }: Drop, nowMs: number): void {
    const known = this.#tallies.get(reason);
    if (known === undefined && this.#tallies.size >= maxReasons) return;
    const tally = known ?? { total: 0, untold: 0, toldAtMs: -Infinity, detail, from };
    tally.total += 1;
    tally.untold += 1;
    tally.detail = detail;
    tally.from = from;
    this.#tallies.set(reason, tally);
    this.#tell(reason, tally, nowMs);
  }

  /** Tells what is left over; call it about once a second. */
  flush(nowMs: number): void {
    for (const [reason, tally] of this.#tallies) if (tally.untold > 0) this.#tell(reason, tally, nowMs);
  }

  #tell(reason: string, tally: Tally, nowMs: number): void {
    if (this.#quiet.has(reason) || nowMs - tally.toldAtMs < tellEveryMs) return;
    const { detail, from, untold: count } = tally;
    tally.untold = 0;
    tally.toldAtMs = nowMs;
    this.#emit({ event: 'dropped', reason, detail, count, ...(from === undefined ? {} : { from }) });
  }
}
