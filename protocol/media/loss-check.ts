/** Proves frame by frame that nothing was lost, or says what was: what the source gave against what was recorded. Pure. */
import { bad, good, type Result } from '../result.ts';

/** A frame or a line: what it is known by, and where it was. */
export interface Hashed {
  readonly hash: string;
  readonly offset: number;
  /** 90 kHz, 33 bits. */
  readonly pts?: number;
}

/** Neighbours in the reference, all lost. */
export interface LostRun {
  /** Places in the reference, from 0; `last` is lost too. */
  readonly first: number;
  readonly last: number;
  /** Of the first one. */
  readonly offset: number;
  readonly pts?: number;
}

export interface FrameReport {
  /** In the reference. */
  readonly frames: number;
  readonly recorded: number;
  /** In the reference, and in no recording. */
  readonly lost: number;
  /** Recorded more often than once: so many too many. */
  readonly repeated: number;
  /** Something else was recorded in a frame's place. Not counted as lost. */
  readonly damaged: number;
  /** Recorded, but neither in the reference nor in the place of anything. */
  readonly foreign: number;
  /** Recorded behind a frame that it comes before, the first time. */
  readonly misplaced: number;
  /** At most 100 of them, first ones first. */
  readonly lostRuns: readonly LostRun[];
  /** Everything is there once at least, and nothing else is. Repeats are what a replay after a failure leaves. */
  readonly isWhole: boolean;
}

export type ReferenceProblem = 'empty' | 'alike';

const maxLostRuns = 100;

/**
 * Compares by hashes alone, so it needs no offsets, times or order to be right.
 *
 * A reference in which frames are alike proves nothing (a lost one could hide behind its twin) and is refused: a still picture,
 * a test pattern that repeats, a camera's skipped frames.
 */
export function compareFrames(
  reference: readonly Hashed[],
  recorded: readonly Hashed[],
): Result<FrameReport, ReferenceProblem> {
  const places = new Map(reference.map(({ hash }, place) => [hash, place]));
  if (reference.length === 0) return bad('empty', 'comparing frames: the reference has none');
  if (places.size < reference.length) {
    const alike = reference.length - places.size;
    return bad(
      'alike',
      `comparing frames: ${alike} of the reference's ${reference.length} frames are like others`,
    );
  }
  const tally = new FrameTally(reference.length);
  for (const { hash } of recorded) tally.add(places.get(hash));
  return good(tally.report(reference));
}

type Found = 'lost' | 'seen' | 'replaced';

class FrameTally {
  readonly #found: Found[];
  /** Strangers in a row, and the frames of the reference that they came between. */
  readonly #strangers: { readonly after: number; before: number; count: number }[] = [];
  #isBehindStranger = false;
  #recorded = 0;
  #repeated = 0;
  #misplaced = 0;
  #last = -1;
  #farthest = -1;

  constructor(frames: number) {
    this.#found = Array.from({ length: frames }, () => 'lost');
  }

  /** @param place in the reference; undefined for what is not in it */
  add(place: number | undefined): void {
    this.#recorded += 1;
    const strangers = this.#isBehindStranger ? this.#strangers.at(-1) : undefined;
    this.#isBehindStranger = place === undefined;
    if (place === undefined) {
      if (strangers === undefined)
        this.#strangers.push({ after: this.#last, before: this.#found.length, count: 1 });
      else strangers.count += 1;
      return;
    }
    if (strangers !== undefined) strangers.before = place;
    if (this.#found[place] === 'seen') this.#repeated += 1;
    else if (place < this.#farthest) this.#misplaced += 1;
    this.#found[place] = 'seen';
    this.#last = place;
    this.#farthest = Math.max(this.#farthest, place);
  }

  report(reference: readonly Hashed[]): FrameReport {
    const { damaged, foreign } = this.#judgeStrangers();
    const lost = this.#found.filter((found) => found === 'lost').length;
    return {
      frames: this.#found.length,
      recorded: this.#recorded,
      lost,
      repeated: this.#repeated,
      damaged,
      foreign,
      misplaced: this.#misplaced,
      lostRuns: this.#lostRuns(reference),
      isWhole: lost + damaged + foreign + this.#misplaced === 0,
    };
  }

  /** A stranger where a frame is missing is that frame, damaged. */
  #judgeStrangers(): { readonly damaged: number; readonly foreign: number } {
    let damaged = 0;
    let foreign = 0;
    for (const { after, before, count } of this.#strangers) {
      let left = count;
      for (let place = after + 1; place < before && left > 0; place += 1) {
        if (this.#found[place] !== 'lost') continue;
        this.#found[place] = 'replaced';
        left -= 1;
        damaged += 1;
      }
      foreign += left;
    }
    return { damaged, foreign };
  }

  #lostRuns(reference: readonly Hashed[]): readonly LostRun[] {
    const runs: LostRun[] = [];
    let place = this.#found.indexOf('lost');
    while (place !== -1 && runs.length < maxLostRuns) {
      const first = place;
      while (this.#found[place] === 'lost') place += 1;
      const { offset = 0, pts } = reference[first] ?? {};
      runs.push({ first, last: place - 1, offset, ...(pts === undefined ? {} : { pts }) });
      place = this.#found.indexOf('lost', place);
    }
    return runs;
  }
}
