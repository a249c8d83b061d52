/** The rules that hold at all times, whatever the handover does: each acts where it is due. */
import { boundRing } from './core-bytes.ts';
import type { ClientEffect } from './core-events.ts';
import { failDial } from './core-move.ts';
import { loseCurrent, searchOn } from './core-search.ts';
import { breakSession, closeSession, endSession, limitSession, silentFromRanMs } from './core-sessions.ts';
import type { Session, Turn } from './core-state.ts';
import { currentSession } from './core-state.ts';
import { limitOfCurrent } from './core-steps.ts';

/** Sessions that are silent, and dials that took too long. */
export function giveUp(turn: Turn): boolean {
  const { state } = turn;
  const isDue = (session: Session): boolean => {
    return state.ranMs >= Math.min(session.giveUpRanMs, silentFromRanMs(state, session));
  };
  const due = [...state.sessions.values()].find(isDue);
  if (due === undefined) return false;
  if (due === currentSession(state)) loseCurrent(turn, due, { why: 'silent', isAnnounced: false });
  else if (due.stage === 'ended') closeSession(turn, due, 'abandoned');
  else if (due.stage === 'dialing') failDial(turn, due, 'unreachable', 'no welcome in time');
  else failDial(turn, due, 'lost', 'it fell silent');
  return true;
}

/**
 * A ring that is full of bytes that a server does not take: that server has stalled. One that has only just begun gets
 * `ackTimeout` to take some, and the ring grows for so long.
 */
export function keepRing(turn: Turn): boolean {
  const { state } = turn;
  if (boundRing(turn)) return false;
  const current = currentSession(state);
  if (current === undefined) return false;
  if (state.ranMs - current.begunRanMs < state.config.ackTimeoutMs) return false;
  loseCurrent(turn, current, { why: 'stalled', isAnnounced: false });
  return true;
}

export function searchRule(turn: Turn): boolean {
  const { phase } = turn.state;
  return phase.name === 'lost' && searchOn(turn, phase.search);
}

/** (6) An ended session gets FIN when everything that it got is durable. */
export function finishWaiting(turn: Turn): boolean {
  const { state } = turn;
  const current = currentSession(state);
  const done = [...state.sessions.values()].find((session) => {
    return session !== current && session.stage === 'ended' && session.durable >= session.sent;
  });
  if (done === undefined) return false;
  closeSession(turn, done, 'done');
  return true;
}

/** The source has ended: say so, and stop when everything is durable. */
export function finish(turn: Turn): boolean {
  const { state } = turn;
  const current = currentSession(state);
  if (!state.isSourceEnded || state.phase.name !== 'stream' || current === undefined) return false;
  if (current.sent < state.produced) return false;
  if (current.stage === 'begun') {
    endSession(turn, current);
    return true;
  }
  if (current.durable < state.produced) return false;
  stop(turn, { kind: 'stop', reason: 'finished' });
  return true;
}

export function stop(turn: Turn, effect: Extract<ClientEffect, { kind: 'stop' }>): void {
  for (const session of turn.state.sessions.values()) closeSession(turn, session, 'done');
  turn.state.phase = { name: 'stopped' };
  turn.effects.push(effect);
}

/**
 * Lets the serving session send, with a `begin` wherever bytes do not continue: when the first byte behind that place is
 * there, as the tables that go before it come with it.
 */
export function sendOn(turn: Turn): void {
  const { state } = turn;
  const current = currentSession(state);
  if (current === undefined || current.stage !== 'begun') return;
  const isPassed = (offset: number): boolean =>
    offset > current.beganAt && offset <= current.sent && offset < state.produced;
  const passed = state.breaks.findLast(({ offset }) => isPassed(offset));
  if (passed !== undefined) breakSession(turn, current, passed.why);
  const next = state.breaks.find(({ offset }) => offset > current.sent);
  limitSession(turn, current, Math.min(limitOfCurrent(state), next?.offset ?? Infinity));
}
