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
/** Of parameter sets that entries keep; real ones have some hundred bytes. Our choice. */
const maxParameterSetBytes = 256 * 1024;

/** The last entries by offset, cuts and others apart so that the many others do not push out the few cuts. */
export class EntryLog {
  readonly #cuts = new BoundedEntries();
  readonly #others = new BoundedEntries();

  keep(entry: Entry, isCut: boolean): void {
    (isCut ? this.#cuts : this.#others).keep(entry);
  }

  find(offset: number): Entry | undefined {
    return this.#cuts.byOffset.get(offset) ?? this.#others.byOffset.get(offset);
  }

  /** The last one before a place that is none itself: its tables still hold there. */
  before(offset: number): Entry | undefined {
    let last: Entry | undefined;
    for (const { byOffset } of [this.#cuts, this.#others]) {
      for (const entry of byOffset.values()) {
        if (entry.offset < offset && entry.offset >= (last?.offset ?? -Infinity)) last = entry;
      }
    }
    return last;
  }
}

class BoundedEntries {
  readonly byOffset = new Map<number, Entry>();
  #bytes = 0;

  keep(entry: Entry): void {
    this.#forget(entry.offset);
    this.byOffset.set(entry.offset, entry);
    this.#bytes += entry.parameterSets.length;
    while (this.byOffset.size > maxEntries || this.#bytes > maxParameterSetBytes) {
      const oldest = this.byOffset.keys().next().value;
      if (oldest === undefined) return;
      this.#forget(oldest);
    }
  }

  #forget(offset: number): void {
    this.#bytes -= this.byOffset.get(offset)?.parameterSets.length ?? 0;
    this.byOffset.delete(offset);
  }
}
