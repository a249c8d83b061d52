/**
 * A redirect after its welcome: (3) a cut is found, (4) the old server gets the bytes on until its part is whole, and `end`,
 * (5) when it has all up to the cut on disk, the next one begins there, (6) the old one gets FIN when it has everything.
 * So [..., cut) is safe here and [cut, ...) there, whatever fails.
 */
import { countRankMove, holdDown } from './core-budget.ts';
import { isIdrNear } from './core-idr.ts';
import { isLagging, isOverLagShare } from './core-lag.ts';
import { beginSearch, takeOver } from './core-search.ts';
import { closeSession, endSession, serverLabel } from './core-sessions.ts';
import type { ClientState, Move, PhaseNamed, PhaseWithTarget, Session, Turn } from './core-state.ts';
import { currentSession, limits, targetSession } from './core-state.ts';

/** The next server welcomed us: (3) begins. */
export function takeWelcome(state: ClientState, phase: PhaseNamed<'dial'>): void {
  state.phase = {
    ...phase,
    name: 'waitCut',
    from: state.produced,
    untilRanMs: state.ranMs + state.config.cutWaitMs,
  };
}

/** One rule of the handover, if one is due. @returns true where something changed */
export function moveOn(turn: Turn): boolean {
  const { phase } = turn.state;
  switch (phase.name) {
    case 'waitCut':
      return findCut(turn, phase);
    case 'tail':
      return endOldPart(turn, phase);
    case 'waitDurable':
      return beginNewPart(turn, phase);
    case 'releasing':
      return release(turn, phase);
    case 'lost':
    case 'stream':
    case 'dial':
    case 'stopped':
  }
  return false;
}

/** (3) */
function findCut(turn: Turn, phase: PhaseNamed<'waitCut'>): boolean {
  const { state } = turn;
  const current = currentSession(state);
  if (current === undefined) return false;
  if (phase.move.why === 'lag' && isLagging(state, current)) {
    return beginAtRingStart(turn, phase, current);
  }
  const cut = chooseCut(state, phase);
  if (cut === undefined) return false;
  turn.effects.push({
    kind: 'tell',
    event: {
      event: 'cut',
      client: state.config.name,
      from: serverLabel(current),
      to: targetLabel(state, phase.move),
      offset: cut.offset,
      quality: cut.quality,
    },
  });
  state.phase = {
    name: 'tail',
    current: phase.current,
    target: phase.target,
    move: phase.move,
    cut: cut.offset,
    untilRanMs: state.ranMs + limits.tailMs,
    forceRanMs: state.ranMs + limits.durableWaitMs,
  };
  return true;
}

function targetLabel(state: ClientState, move: Move): string {
  const session = targetSession(state);
  return session === undefined ? (move.target.id ?? 'unknown') : serverLabel(session);
}

function chooseCut(
  state: ClientState,
  phase: PhaseNamed<'waitCut'>,
): { offset: number; quality: string } | undefined {
  const from = Math.max(phase.from, state.ringStart);
  const { lastCut, idr } = state;
  const isOver = state.ranMs >= phase.untilRanMs || state.isSourceEnded;
  if (idr !== undefined && idr.last.offset >= from) return idr.last;
  if (lastCut !== undefined && lastCut.offset >= from) {
    return !isOver && isIdrNear(state) ? undefined : lastCut;
  }
  return isOver ? chooseAnyCut(state, phase, from) : undefined;
}

function chooseAnyCut(
  state: ClientState,
  phase: PhaseNamed<'waitCut'>,
  from: number,
): { offset: number; quality: string } | undefined {
  if (state.isSourceEnded) return { offset: state.produced, quality: 'end' };
  if (state.lastVideoPes >= from) return { offset: state.lastVideoPes, quality: 'lossy' };
  if (state.ranMs < phase.untilRanMs + limits.cutWaitGraceMs) return undefined;
  return { offset: state.produced, quality: 'lossy' };
}

/** (4) */
function endOldPart(turn: Turn, phase: PhaseNamed<'tail'>): boolean {
  const { state } = turn;
  const current = currentSession(state);
  if (current === undefined) return false;
  if (isForced(state, phase.forceRanMs, current)) return beginAtRingStart(turn, phase, current);
  if (current.stage === 'begun') {
    const end = tailEnd(state);
    if (end === undefined || current.sent < end) return false;
    endSession(turn, current);
  }
  const { current: from, target, move, cut, forceRanMs } = phase;
  state.phase = { name: 'waitDurable', current: from, target, move, cut, forceRanMs };
  return true;
}

/**
 * Where the old server's part ends: behind the cut each PID has begun a new PES packet; what was sent already stays sent.
 * Undefined while that is not known and there is time.
 */
function tailEnd(state: ClientState): number | undefined {
  const { phase } = state;
  const current = currentSession(state);
  if (phase.name !== 'tail' || current === undefined) return undefined;
  const atLeast = Math.max(phase.cut, current.sent);
  if (state.isSourceEnded || state.ranMs >= phase.untilRanMs) return atLeast;
  const starts = state.pids.map((pid) => {
    return state.pes.find((note) => note.pid === pid && note.offset > phase.cut)?.offset;
  });
  if (starts.some((start) => start === undefined)) return undefined;
  return Math.max(atLeast, ...starts.filter((start) => start !== undefined));
}

/** (5) */
function beginNewPart(turn: Turn, phase: PhaseNamed<'waitDurable'>): boolean {
  const { state } = turn;
  const current = currentSession(state);
  if (current === undefined) return false;
  if (current.durable >= phase.cut) {
    leaveFor(turn, phase, current, phase.cut);
    return true;
  }
  if (!isForced(state, phase.forceRanMs, current)) return false;
  return beginAtRingStart(turn, phase, current);
}

/** A server that has made nothing durable for 10 s when the cut comes had its time before it. */
function isForced(state: ClientState, forceRanMs: number, current: Session): boolean {
  return state.ranMs >= forceRanMs || isLagging(state, current) || isOverLagShare(state, current);
}

/** The old server is too far behind to be waited for: the next one gets everything that is not durable. */
function beginAtRingStart(turn: Turn, phase: PhaseWithTarget, current: Session): boolean {
  endSession(turn, current);
  leaveFor(turn, phase, current);
  return true;
}

/** The next server begins: at the cut where that is all that the old one lacks, else at the ring's start. */
function leaveFor(turn: Turn, phase: PhaseWithTarget, current: Session, cut?: number): void {
  const { state } = turn;
  const target = targetSession(state);
  if (target === undefined) return;
  if (phase.move.why === 'rank') countRankMove(state);
  // Others see nothing of what we left it for, and would send us back at once.
  if (phase.move.why === 'lag' && current.server !== undefined) holdDown(state, current.server.id);
  current.giveUpRanMs = state.ranMs + limits.waitingMs;
  takeOver(turn, target, cut, {
    from: serverLabel(current),
    reason: phase.move.why,
    sinceMs: phase.move.sinceMs,
    framesLostBefore: phase.move.framesLostBefore,
    oldSent: current.sent,
  });
}

/** `ReleaseFirst`: the old server has everything, or had its time; only now the next one is dialed. @see [0067] */
function release(turn: Turn, phase: PhaseNamed<'releasing'>): boolean {
  const { state } = turn;
  const current = currentSession(state);
  if (current === undefined) return false;
  if (current.durable < current.sent && state.ranMs < phase.untilRanMs) return false;
  const { move } = phase;
  if (move.why === 'rank') countRankMove(state);
  closeSession(turn, current, 'done');
  beginSearch(
    state,
    {
      left: current.server === undefined ? undefined : { ...current.server, sent: current.sent },
      why: move.why,
      sinceMs: move.sinceMs,
      framesLostBefore: move.framesLostBefore,
    },
    move.target,
  );
  return true;
}

/** Lowers or raises how far the old server is sent to while its part ends. */
export function limitOfCurrent(state: ClientState): number {
  return tailEnd(state) ?? state.produced;
}
