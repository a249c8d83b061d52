/** Lists of rising offsets (cuts, frames, times) of the bytes that a ring holds, bounded whatever the stream marks. */

/** A point of the stream; what `value` means is the list's owner's matter. */
export interface OffsetPoint {
  readonly offset: number;
  readonly value: number;
}

/** Plain data, so that a state can be copied and compared. */
export interface OffsetList {
  points: OffsetPoint[];
}

/** Above this every second point is merged away: a ring of hours of a slow sensor costs no more than this. */
const maxPoints = 4096;

/**
 * Adds a point behind all others; what is not above the last one is dropped.
 *
 * @param merge what remains of the values of two points that become one at the earlier offset
 */
export function appendPoint(
  list: OffsetList,
  point: OffsetPoint,
  merge: (earlier: number, later: number) => number,
): void {
  const last = list.points.at(-1);
  if (last !== undefined && point.offset <= last.offset) return;
  list.points.push(point);
  if (list.points.length <= maxPoints) return;
  const halved: OffsetPoint[] = [];
  for (let i = 0; i < list.points.length; i += 2) {
    const [earlier, later] = [list.points[i], list.points[i + 1]];
    if (earlier === undefined) continue;
    halved.push(
      later === undefined ? earlier : { offset: earlier.offset, value: merge(earlier.value, later.value) },
    );
  }
  list.points = halved;
}

/** Forgets points below `offset`. */
export function prunePoints(list: OffsetList, offset: number): void {
  const keep = firstIndexAtOrAbove(list.points, offset);
  if (keep > 0) list.points.splice(0, keep);
}

export function lastPointAtOrBelow(list: OffsetList, offset: number): OffsetPoint | undefined {
  return list.points[firstIndexAtOrAbove(list.points, offset + 1) - 1];
}

export function firstPointAtOrAbove(list: OffsetList, offset: number): OffsetPoint | undefined {
  return list.points[firstIndexAtOrAbove(list.points, offset)];
}

/** The sum of values of the points in [from, to). */
export function sumPoints(list: OffsetList, from: number, to: number): number {
  const first = firstIndexAtOrAbove(list.points, from);
  const behind = firstIndexAtOrAbove(list.points, to);
  return list.points.slice(first, behind).reduce((sum, point) => sum + point.value, 0);
}

function firstIndexAtOrAbove(points: readonly OffsetPoint[], offset: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((points[middle]?.offset ?? 0) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
