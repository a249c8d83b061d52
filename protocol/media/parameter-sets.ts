/** The parameter sets of a video stream, the newest of each id, bounded. */

/** Real streams have one of each, of some 30 bytes; the standards allow 32 and 256. Our choice. */
const maxParameterSets = 16;
const startCode = Uint8Array.of(0, 0, 0, 1);

export class ParameterSets {
  /** By the place that a decoder needs it in; insertion order is age. */
  readonly #sets = new Map<number, Uint8Array>();
  /** As they were last asked for: every picture's place keeps them, and they hardly ever change. */
  #bytes: Uint8Array | undefined;

  /**
   * Takes the place of the one before with this type and id.
   *
   * @param place type and id as one number: lower ones go first
   * @returns true where it is another than that
   */
  keep(place: number, set: Uint8Array): boolean {
    const old = this.#sets.get(place);
    if (old === undefined || !isSame(old, set)) this.#bytes = undefined;
    this.#sets.delete(place);
    this.#sets.set(place, set);
    const oldest = this.#sets.size > maxParameterSets ? this.#sets.keys().next().value : undefined;
    if (oldest !== undefined) this.#sets.delete(oldest);
    return old !== undefined && !isSame(old, set);
  }

  /** Annex B; to be read only. */
  bytes(): Uint8Array {
    this.#bytes ??= this.#encode();
    return this.#bytes;
  }

  #encode(): Uint8Array {
    const sets = [...this.#sets].toSorted(([a], [b]) => a - b).map(([, set]) => set);
    const bytes = new Uint8Array(sets.reduce((sum, set) => sum + startCode.length + set.length, 0));
    let at = 0;
    for (const set of sets) {
      bytes.set(startCode, at);
      bytes.set(set, at + startCode.length);
      at += startCode.length + set.length;
    }
    return bytes;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
