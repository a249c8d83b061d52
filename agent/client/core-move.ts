/**
 * A redirect until its welcome: (1) it comes, or is refused at once, (2) the next server is dialed. What fails there leaves
 * the client where it is.
 */
import type { Redirect, RefusedReason } from '../../protocol/documents.ts';
import { heldForMs, isReleasedFirst, moveAfterMs } from './core-budget.ts';
import type { Candidate } from './core-events.ts';
import { failSearchDial } from './core-search.ts';
import { closeSession, endSession, openSession, resumeSession, serverLabel } from './core-sessions.ts';
import type { ClientState, Move, Session, Turn } from './core-state.ts';
import { currentSession, limits, targetSession } from './core-state.ts';

/** (1) A redirect of the serving server; of anybody else it is nothing. */
export function takeRedirect(turn: Turn, current: Session, redirect: Redirect): void {
  const { state } = turn;
  const { phase } = state;
  const { id } = redirect.target;
  if (id === current.server?.id || id === targetSession(state)?.candidate.id) return;
  const wait = redirect.why === 'rank' ? whyNot(state, redirect) : undefined;
  const target: Candidate = { id, endpoints: [redirect.target.address, ...redirect.also] };
  if (wait !== undefined) {
    refuse(turn, current, { target, name: id, ...wait });
    return;
  }
  turn.effects.push({
    kind: 'tell',
    event: {
      event: 'redirected',
      side: 'client',
      client: state.config.name,
      from: serverLabel(current),
      to: id,
      reason: redirect.why,
    },
  });
  if (phase.name === 'releasing') {
    state.phase = { ...phase, move: { ...phase.move, target } };
    return;
  }
  startMove(turn, current, target, redirect.why);
}

function whyNot(
  state: ClientState,
  redirect: Redirect,
): { reason: 'held' | 'budget'; retryAfterMs: number; detail: string } | undefined {
  const held = heldForMs(state, redirect.target.id);
  if (held > 0) {
    return { reason: 'held', retryAfterMs: held, detail: 'it was lost lately' };
  }
  const budget = moveAfterMs(state);
  if (budget === 0) return undefined;
  return { reason: 'budget', retryAfterMs: budget, detail: 'it moved lately' };
}

/** (2) Dials the next server. A handover under way to another one is forgotten first. */
export function startMove(turn: Turn, current: Session, target: Candidate, why: string): void {
  const { state } = turn;
  leaveTarget(turn, current);
  const move: Move = {
    target,
    why,
    sinceMs: state.nowMs,
    framesLostBefore: state.framesLost,
  };
  if (isReleasedFirst(state, target.id)) {
    endSession(turn, current);
    const untilRanMs = state.ranMs + limits.waitingMs;
    state.phase = { name: 'releasing', current: current.id, move, untilRanMs };
    return;
  }
  const left = current.server?.id === target.id ? undefined : current.server?.id;
  const session = openSession(turn, target, limits.redirectDialMs, { id: left, why });
  state.phase = { name: 'dial', current: current.id, target: session.id, move };
}

/** Closes the next server's session; the old one goes on, where it had its `end` from there. */
function leaveTarget(turn: Turn, current: Session): void {
  const { state } = turn;
  const target = targetSession(state);
  if (target !== undefined) closeSession(turn, target, 'abandoned');
  state.phase = { name: 'stream', current: current.id };
  const isAllSent = state.isSourceEnded && current.sent === state.produced;
  if (current.stage === 'ended' && !isAllSent) resumeSession(turn, current);
}

/** A dial that came to nothing, or a next server that failed before its first byte. */
export function failDial(turn: Turn, session: Session, reason: RefusedReason, detail: string): void {
  const { phase } = turn.state;
  if (phase.name === 'lost') failSearchDial(turn, phase.search, { session, reason, detail });
  else if (session === targetSession(turn.state)) loseTarget(turn, reason, detail);
  else closeSession(turn, session, 'abandoned');
}

/** Stays, and says why. */
function loseTarget(turn: Turn, reason: RefusedReason, detail: string): void {
  const { state } = turn;
  const current = currentSession(state);
  const session = targetSession(state);
  if (!('target' in state.phase) || current === undefined || session === undefined) return;
  const { move } = state.phase;
  leaveTarget(turn, current);
  refuse(turn, current, { target: move.target, name: serverLabel(session), reason, detail }, isOurs(move));
}

/** A move that no server asked for: nobody is told of its failure but people. */
function isOurs(move: Move): boolean {
  return move.why === 'lag' || move.why === 'renewed';
}

interface Refusal {
  readonly target: Candidate;
  readonly name: string;
  readonly reason: RefusedReason;
  readonly detail: string;
  readonly retryAfterMs?: number;
}

function refuse(turn: Turn, current: Session, refusal: Refusal, isQuiet = false): void {
  const { target, name, reason, detail, retryAfterMs } = refusal;
  const retry = retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(retryAfterMs) };
  if (target.id !== undefined && !isQuiet) {
    turn.effects.push({ kind: 'refused', session: current.id, id: target.id, reason, ...retry });
  }
  turn.effects.push({
    kind: 'tell',
    event: {
      event: 'refused',
      client: turn.state.config.name,
      from: serverLabel(current),
      to: name,
      reason,
      detail,
      ...retry,
    },
  });
}
