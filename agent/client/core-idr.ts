/** IDR pictures of streams that have other places to cut at too: the next one is worth a wait, if it is known when it comes. */
import type { CutMark } from '../../protocol/media/scanner.ts';
import type { ClientState } from './core-state.ts';

/** The last IDR picture and the time between it and the one before. */
export interface IdrRhythm {
  readonly last: CutMark;
  readonly ranMs: number;
  /** Undefined after the first. */
  readonly everyMs: number | undefined;
}

/** An encoder's rhythm is as exact as the network that brings it. */
const lateShare = 0.25;
const lateMs = 200;

/** Takes a place to cut at. */
export function noteIdr(state: ClientState, mark: CutMark): void {
  if (mark.quality !== 'idr') return;
  const { ranMs, idr } = state;
  state.idr = { last: mark, ranMs, everyMs: idr === undefined ? undefined : ranMs - idr.ranMs };
}

/** Whether an IDR picture should come within the time between two of them. */
export function isIdrNear({ idr, ranMs }: ClientState): boolean {
  if (idr?.everyMs === undefined) return false;
  return ranMs < idr.ranMs + idr.everyMs * (1 + lateShare) + lateMs;
}
