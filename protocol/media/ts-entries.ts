/** What is known of a place where a transport stream may be entered: enough to make its preamble later. */

/** PAT and PMT sections that belong together, and the PMT's PID. */
export interface Tables {
  readonly pat: Uint8Array;
  readonly pmtPid: number;
  readonly pmt: Uint8Array;
}

export interface Entry {
  readonly offset: number;
  /** 90 kHz, of the PES packet that begins here. */
  readonly pts?: number;
  readonly tables: Tables | undefined;
  readonly videoPid: number | undefined;
  /** By PID, the continuity counter of the last packet before `offset`. */
  readonly continuity: readonly (readonly [pid: number, counter: number])[];
  /** Annex B; empty where the key frames carry their own, or the codec has none. */
  readonly parameterSets: Uint8Array;
}

/** Cuts and PES starts that a ring may still go back to: 20 s at 25 frames a second of PES, hours of GOPs. Our choice. */
const maxEntries = 512;

/** The last entries by offset, cuts and others apart so that the many others do not push out the few cuts. */
export class EntryLog {
  readonly #cuts = new Map<number, Entry>();
  readonly #others = new Map<number, Entry>();

  keep(entry: Entry, isCut: boolean): void {
    const kept = isCut ? this.#cuts : this.#others;
    kept.set(entry.offset, entry);
    const oldest = kept.size > maxEntries ? kept.keys().next().value : undefined;
    if (oldest !== undefined) kept.delete(oldest);
  }

  find(offset: number): Entry | undefined {
    return this.#cuts.get(offset) ?? this.#others.get(offset);
  }

  /** The last one before a place that is none itself: its tables still hold there. */
  before(offset: number): Entry | undefined {
    let last: Entry | undefined;
    for (const kept of [this.#cuts, this.#others]) {
      for (const entry of kept.values()) {
        if (entry.offset < offset && entry.offset >= (last?.offset ?? -Infinity)) last = entry;
      }
    }
    return last;
  }
}
