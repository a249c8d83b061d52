/** The client's bytes, as offsets: what the source made, where one may cut, and what the ring still has to hold. */
import type { Mark } from '../../protocol/media/scanner.ts';
import { noteIdr } from './core-idr.ts';
import type { ClientState, Session, Turn } from './core-state.ts';
import { currentSession, limits, pinnedCut } from './core-state.ts';
import { appendPoint, firstPointAtOrAbove, lastPointAtOrBelow, prunePoints, sumPoints } from './offsets.ts';

const keepEarlier = (earlier: number): number => earlier;
const add = (earlier: number, later: number): number => earlier + later;
const betweenTimesMs = 100;
/** So few cuts are all kept, however near to each other. */
const fewCuts = 256;

/** Takes what the source made. */
export function takeProduced(state: ClientState, upTo: number, marks: readonly Mark[]): void {
  if (upTo > state.produced) {
    const last = state.times.points.at(-1);
    if (last === undefined || state.nowMs - last.value >= betweenTimesMs) {
      appendPoint(state.times, { offset: state.produced, value: state.nowMs }, keepEarlier);
    }
    state.produced = upTo;
  }
  for (const mark of marks) takeMark(state, mark);
}

function takeMark(state: ClientState, mark: Mark): void {
  switch (mark.kind) {
    case 'cut':
      state.lastCut = mark;
      noteIdr(state, mark);
      noteCut(state, mark.offset);
      // Without video a frame is what lies between two cuts: a line, an audio packet. A picture was noted already.
      noteFrame(state, mark.offset);
      return;
    case 'pes':
      state.pes = [...state.pes.slice(1 - limits.maxPesNotes), { offset: mark.offset, pid: mark.pid }];
      if (!mark.isVideo) return;
      state.lastVideoPes = mark.offset;
      noteFrame(state, mark.offset);
      return;
    case 'change':
      noteBreak(state, mark.offset, 'codec');
  }
}

function noteCut(state: ClientState, offset: number): void {
  const { points } = state.cuts;
  const last = points.at(-1);
  const isNear = last !== undefined && offset - last.offset < limits.minCutSpacing;
  if (isNear && points.length >= fewCuts) return;
  appendPoint(state.cuts, { offset, value: 0 }, keepEarlier);
}

function noteFrame(state: ClientState, offset: number): void {
  appendPoint(state.frames, { offset, value: 1 }, add);
}

/** Bytes from `offset` on do not continue those before: whoever sends them says `begin` there. */
export function noteBreak(state: ClientState, offset: number, why: 'source' | 'codec'): void {
  if (state.breaks.some((known) => known.offset === offset)) return;
  state.breaks = [...state.breaks.slice(1 - limits.maxBreaks), { offset, why }];
}

/** The last cut at or before `offset`, or the ring's start. */
function cutAtOrBefore(state: ClientState, offset: number): number {
  return lastPointAtOrBelow(state.cuts, offset)?.offset ?? state.ringStart;
}

/** Frees what no replay can need: up to the last cut at or before `durable`, never beyond the cut of a handover. */
export function trimRing(turn: Turn): void {
  const { state } = turn;
  const current = currentSession(state);
  if (current === undefined || current.stage === 'dialing') return;
  const durable = Math.min(current.durable, pinnedCut(state));
  const start = cutAtOrBefore(state, durable);
  if (start > state.ringStart) moveRingStart(turn, start, false);
}

/** Frees up to the last cut at or before `offset`, where a new server's part begins. */
export function trimRingTo(turn: Turn, offset: number): void {
  const start = cutAtOrBefore(turn.state, offset);
  if (start > turn.state.ringStart) moveRingStart(turn, start, false);
}

/**
 * Over its share the ring keeps only from `durable`, then gives up the oldest bytes already sent (exposed: lost if that
 * server dies now). Bytes not yet sent are given up only where no server takes them, up to the next cut.
 *
 * @returns false where the bytes were sent to nobody although a server is there: it has stalled
 */
export function boundRing(turn: Turn): boolean {
  const { state } = turn;
  if (state.produced - state.ringStart <= state.share) {
    if (state.isOverTold && state.produced - state.ringStart < state.share / 2) state.isOverTold = false;
    return true;
  }
  const current = currentSession(state);
  if (current === undefined) {
    giveUpUnsent(turn);
    return true;
  }
  tellOver(turn);
  const pin = pinnedCut(state);
  const durable = Math.min(current.durable, pin);
  if (durable > state.ringStart) moveRingStart(turn, durable, !isCut(state, durable));
  expose(turn, current, Math.min(current.sent, pin));
  return state.produced - state.ringStart <= state.share;
}

function isCut(state: ClientState, offset: number): boolean {
  return lastPointAtOrBelow(state.cuts, offset)?.offset === offset;
}

function expose(turn: Turn, current: Session, limit: number): void {
  const { state } = turn;
  const wanted = state.produced - state.share;
  if (wanted <= state.ringStart) return;
  const frame = firstPointAtOrAbove(state.frames, wanted)?.offset ?? Infinity;
  const to = Math.min(frame <= limit ? frame : wanted, limit);
  if (to <= state.ringStart) return;
  if (current.exposedFrom === current.exposedTo) current.exposedFrom = state.ringStart;
  current.exposedTo = to;
  moveRingStart(turn, to, !isCut(state, to));
}

function giveUpUnsent(turn: Turn): void {
  const { state } = turn;
  tellOver(turn);
  const next = firstPointAtOrAbove(state.cuts, state.produced - state.share);
  const to = next?.offset ?? state.produced;
  loseUnsafe(state, to);
  moveRingStart(turn, to, true);
}

/** What the last server had made durable before it was lost is still there: only its sequel is lost. */
function loseUnsafe(state: ClientState, to: number): void {
  const from = Math.max(state.ringStart, state.safeTo);
  if (from >= to) return;
  const frame = lastPointAtOrBelow(state.frames, from)?.offset ?? from;
  // A frame that is safe in part only is lost.
  if (from > state.ringStart && frame < from) state.framesLost += 1;
  loseBytes(state, from, to);
}

/** Counts bytes that no server and no ring holds. */
export function loseBytes(state: ClientState, from: number, to: number): void {
  state.bytesLost += to - from;
  state.framesLost += sumPoints(state.frames, from, to);
}

function tellOver(turn: Turn): void {
  const { state } = turn;
  if (state.isOverTold) return;
  state.isOverTold = true;
  turn.effects.push({
    kind: 'tell',
    event: {
      event: 'warning',
      reason: 'ringOverBudget',
      client: state.config.name,
      message: `the ring holds its share of ${state.share} bytes: the oldest are given up and counted; raise the budget, or shorten the camera's key frame interval`,
    },
  });
}

function moveRingStart(turn: Turn, to: number, isGap: boolean): void {
  const { state } = turn;
  state.ringStart = to;
  state.isGapAtStart = isGap;
  prunePoints(state.cuts, to);
  prunePoints(state.times, lastPointAtOrBelow(state.times, to)?.offset ?? 0);
  prunePoints(state.frames, Math.min(to, lowestExposed(state)));
  if (state.breaks.some((known) => known.offset < to)) {
    state.breaks = state.breaks.filter((known) => known.offset >= to);
  }
  turn.effects.push({ kind: 'free', upTo: to });
}

function lowestExposed(state: ClientState): number {
  const exposed = [...state.sessions.values()].filter((s) => s.exposedFrom < s.exposedTo);
  return Math.min(...exposed.map((session) => session.exposedFrom));
}

/** How long ago the byte at `offset` came from the source, as far as the list of times tells. */
export function ageMs(state: ClientState, offset: number): number {
  if (offset >= state.produced) return 0;
  const time = lastPointAtOrBelow(state.times, offset)?.value ?? state.nowMs;
  return Math.max(0, state.nowMs - time);
}

/** Frames that begin in [from, to), as far as the ring's lists reach back. */
export function countFrames(state: ClientState, from: number, to: number): number {
  return sumPoints(state.frames, from, to);
}
