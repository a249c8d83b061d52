/** Sets of offsets, as ranges. */

/** Offsets of one term, from `from` up to and without `to`. */
export interface ByteRange {
  readonly term: number;
  readonly from: number;
  readonly to: number;
}

/** Offsets by term, in ranges that are in order and do not touch. */
export class ByteRanges {
  readonly #byTerm = new Map<number, readonly ByteRange[]>();

  /** @returns how many of the offsets were in it already */
  add({ term, from, to }: ByteRange): number {
    if (from >= to) return 0;
    const ranges = this.#byTerm.get(term) ?? [];
    // Nearly always the new one is behind all others.
    const end = ranges.findLastIndex((range) => range.from <= to) + 1;
    const start = ranges.findLastIndex((range) => range.to < from) + 1;
    const touched = ranges.slice(start, end);
    const all = {
      term,
      from: Math.min(from, touched[0]?.from ?? from),
      to: Math.max(to, touched.at(-1)?.to ?? to),
    };
    this.#byTerm.set(term, [...ranges.slice(0, start), all, ...ranges.slice(end)]);
    return lengthOf(touched) + (to - from) - (all.to - all.from);
  }

  all(): readonly ByteRange[] {
    return [...this.#byTerm].toSorted(([a], [b]) => a - b).flatMap(([, ranges]) => ranges);
  }

  /** What is in this set and not in the other. */
  without(other: ByteRanges): readonly ByteRange[] {
    return this.all().flatMap((range) => gapsBetween(range, other.#within(range)));
  }

  #within({ term, from, to }: ByteRange): readonly ByteRange[] {
    return (this.#byTerm.get(term) ?? []).filter((range) => range.to > from && range.from < to);
  }
}

export function lengthOf(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from, 0);
}

/** @param holes in order, each of which overlaps the range */
function gapsBetween({ term, from, to }: ByteRange, holes: readonly ByteRange[]): readonly ByteRange[] {
  const starts = [from, ...holes.map((hole) => hole.to)];
  const ends = [...holes.map((hole) => hole.from), to];
  return starts
    .map((start, index) => ({ term, from: start, to: ends[index] ?? to }))
    .filter((gap) => gap.from < gap.to);
}
