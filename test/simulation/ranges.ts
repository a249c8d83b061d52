/** Which bytes there are: sorted ranges that do not touch. */
export class Ranges {
  #ranges: { readonly from: number; readonly to: number }[] = [];

  add(from: number, to: number): void {
    if (from >= to) return;
    const touching = this.#ranges.filter((range) => range.from <= to && range.to >= from);
    const others = this.#ranges.filter((range) => !touching.includes(range));
    const merged = {
      from: Math.min(from, ...touching.map((range) => range.from)),
      to: Math.max(to, ...touching.map((range) => range.to)),
    };
    this.#ranges = [...others, merged].toSorted((a, b) => a.from - b.from);
  }

  /** The first byte below `to` that is not there. */
  firstGapBelow(to: number): number | undefined {
    const [first] = this.#ranges;
    const covered = first === undefined || first.from > 0 ? 0 : first.to;
    return covered >= to ? undefined : covered;
  }
}
