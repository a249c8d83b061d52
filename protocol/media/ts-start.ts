/** Where a source session begins: its tables and first counters show only behind that place, and hold for it all the same. */
import type { Entry, Tables } from './ts-entries.ts';

/** Muxers begin to count at 0: what a PID that has not shown yet is taken to do. */
const beforeFirst = 15;
/** PIDs that are followed before there is a PMT: PAT, and PMTs that a PAT names in vain. */
const maxEarlyPids = 64;

export class StartEntry {
  readonly offset: number;
  #tables: Tables | undefined;
  #videoPid: number | undefined;
  /** By PID, what its counter must have been before its first packet. */
  readonly #counters = new Map<number, number>();
  readonly #unseen = new Set<number>();

  constructor(offset: number) {
    this.offset = offset;
  }

  /** The first tables; later ones change nothing. */
  takeTables(tables: Tables | undefined, pids: readonly number[], videoPid: number | undefined): void {
    if (this.#tables !== undefined) return;
    this.#tables = tables;
    this.#videoPid = videoPid;
    for (const pid of pids) {
      if (this.#counters.has(pid)) continue;
      this.#counters.set(pid, beforeFirst);
      this.#unseen.add(pid);
    }
  }

  /** The first packet of a PID, with its counter. */
  takeFirst(pid: number, counter: number): void {
    const isEarly = this.#tables === undefined && this.#counters.size < maxEarlyPids;
    if ((isEarly && !this.#counters.has(pid)) || this.#unseen.delete(pid)) {
      this.#counters.set(pid, (counter - 1) & 0x0f);
    }
  }

  /** Undefined while there are no tables. */
  entry(): Entry | undefined {
    if (this.#tables === undefined) return undefined;
    return {
      offset: this.offset,
      tables: this.#tables,
      videoPid: this.#videoPid,
      continuity: [...this.#counters],
      parameterSets: new Uint8Array(0),
    };
  }
}
