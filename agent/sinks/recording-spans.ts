/** Joins extents by offset: a source's bytes as spans, each held by one file, by several, or by none. Pure. */
import type { Extent } from './recording-extents.ts';

export interface Span {
  readonly from: number;
  readonly to: number;
  /** Files that hold it; none in a hole. */
  readonly holders: readonly Extent[];
}

/** Spans in order of offset, from the first byte that is held to the last, of one term. */
export function joinExtents(extents: readonly Extent[]): readonly Span[] {
  const sorted = extents.filter(({ length }) => length > 0).sort((a, b) => a.offset - b.offset);
  const edges = [...new Set(sorted.flatMap(({ offset, length }) => [offset, offset + length]))].sort(
    (a, b) => a - b,
  );
  const spans: Span[] = [];
  let open: Extent[] = [];
  let next = 0;
  for (const [index, from] of edges.entries()) {
    const to = edges[index + 1];
    if (to === undefined) break;
    open = open.filter(({ offset, length }) => offset + length > from);
    for (let extent = sorted[next]; extent !== undefined && extent.offset <= from; extent = sorted[next]) {
      open.push(extent);
      next += 1;
    }
    spans.push({ from, to, holders: [...open] });
  }
  return spans;
}
