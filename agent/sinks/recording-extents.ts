/** Turns the lines of an index into what the files hold: which bytes of which file are which bytes of the source. Pure. */
import type { IndexLine } from './record-index.ts';

/** Counted bytes that lie together: [offset, offset + length) of the term, from `position` on in the file. */
export interface Extent {
  readonly path: string;
  readonly term: number;
  readonly offset: number;
  readonly position: number;
  readonly length: number;
}

interface Point {
  readonly position: number;
  readonly offset: number;
}

type Step = 'counted' | 'injected' | 'same' | 'contradiction';

/** Follows the lines of one file in the order of the index; needs memory for changes only, not for lines. */
export class FileExtents {
  readonly #points: { readonly runs: [Point, Point][] } = { runs: [] };
  #last: Point | undefined;
  /** A line that contradicts the last; the next one tells which of the two is damaged. */
  #suspect: Point | undefined;
  #contradictions = 0;

  /** Lines that were left out, because they fit nothing around them. */
  get contradictions(): number {
    return this.#contradictions;
  }

  add(line: Pick<IndexLine, 'position' | 'offset'>): void {
    const point = { position: line.position, offset: line.offset };
    const last = this.#last;
    if (last === undefined) {
      this.#last = point;
      return;
    }
    // A cut shows late: its line may come behind later ones, and says nothing new.
    if (point.position < last.position) return;
    const step = stepBetween(last, point);
    if (step === 'counted' || step === 'injected') this.#go(last, point, step);
    if (step !== 'contradiction') this.#suspect = undefined;
    else this.#doubt(point);
  }

  /** What is vouched for, as far as the file goes. */
  extents(file: { readonly path: string; readonly term: number; readonly bytes: number }): readonly Extent[] {
    const { path, term, bytes } = file;
    return this.#points.runs
      .map(([from, to]) => ({
        path,
        term,
        offset: from.offset,
        position: from.position,
        length: Math.min(to.position, bytes) - from.position,
      }))
      .filter(({ length }) => length > 0);
  }

  /** Bytes that lines vouch for: more than the file has is damage. */
  get vouchedBytes(): number {
    return this.#last?.position ?? 0;
  }

  #go(last: Point, point: Point, step: 'counted' | 'injected'): void {
    this.#last = point;
    if (step === 'injected') return;
    const run = this.#points.runs.at(-1);
    const isSameRun = run !== undefined && run[1].position === last.position && run[1].offset === last.offset;
    if (isSameRun) run[1] = point;
    else this.#points.runs.push([last, point]);
  }

  #doubt(point: Point): void {
    this.#contradictions += 1;
    const suspect = this.#suspect;
    this.#suspect = point;
    if (suspect === undefined || point.position < suspect.position) return;
    const step = stepBetween(suspect, point);
    if (step === 'contradiction') return;
    // Two lines agree against the last one: from the first of them on the file is understood again.
    this.#last = suspect;
    this.#suspect = undefined;
    if (step === 'counted' || step === 'injected') this.#go(suspect, point, step);
  }
}

function stepBetween(from: Point, to: Point): Step {
  const bytes = to.position - from.position;
  const counted = to.offset - from.offset;
  if (bytes === 0) return counted === 0 ? 'same' : 'contradiction';
  if (counted === bytes) return 'counted';
  return counted === 0 ? 'injected' : 'contradiction';
}
