/** What people are told of connections and lines that were not taken: the first of a reason, then one line in ten seconds with a count. Pure. */

/** Our choice: a stranger who tries doors must not fill a log. */
const tellEveryMs = 10_000;

interface Tally {
  untold: number;
  toldAtMs: number;
}

export class DropNotes {
  /** By reason, which come out of closed lists. */
  readonly #tallies = new Map<string, Tally>();

  /** What to tell now; undefined: nothing. */
  note(reason: string, detail: string, from: string, nowMs: number): string | undefined {
    const tally = this.#tallies.get(reason) ?? { untold: 0, toldAtMs: -Infinity };
    this.#tallies.set(reason, tally);
    tally.untold += 1;
    if (nowMs - tally.toldAtMs < tellEveryMs) return undefined;
    const more = tally.untold > 1 ? `, ${tally.untold} times since the last line` : '';
    [tally.untold, tally.toldAtMs] = [0, nowMs];
    return `${detail} (${reason}, from ${from}${more})`;
  }
}
