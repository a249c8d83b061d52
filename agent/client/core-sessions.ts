/** Single sessions: dialed, begun, sent to, ended, closed, and how each shows that it still lives. */
import type { BeginWhy, RefusedReason } from '../../protocol/documents.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
import { moveAfterMs } from './core-budget.ts';
import { ageMs, loseBytes } from './core-bytes.ts';
import type { Candidate, ClientEvent } from './core-events.ts';
import type { ClientState, Session, Turn } from './core-state.ts';
import { limits } from './core-state.ts';
import { appendPoint, lastPointAtOrBelow, prunePoints } from './offsets.ts';

const keepLater = (_earlier: number, later: number): number => later;
/** Sends nearer to each other than this are one in the list of times. */
const betweenSendsMs = 20;

/** Dials a server. @param left whom we leave for it, for its logs */
export function openSession(
  turn: Turn,
  candidate: Candidate,
  timeoutMs: number,
  left: { readonly id: ServerId | undefined; readonly why: string },
): Session {
  const { state } = turn;
  const session: Session = {
    id: state.nextSession,
    candidate,
    server: undefined,
    stage: 'dialing',
    giveUpRanMs: state.ranMs + timeoutMs,
    beganAt: 0,
    begunRanMs: 0,
    sent: 0,
    limit: 0,
    received: 0,
    durable: 0,
    lastLineRanMs: state.ranMs,
    sends: { points: [] },
    exposedFrom: 0,
    exposedTo: 0,
  };
  state.nextSession += 1;
  state.sessions.set(session.id, session);
  turn.effects.push({
    kind: 'dial',
    session: session.id,
    endpoints: candidate.endpoints,
    ...(candidate.id === undefined ? {} : { expectId: candidate.id }),
    hello: {
      moveAfterMs: moveAfterMs(state),
      // On the wire it is one word: `bye stopped` of our events would be no document.
      ...(left.id === undefined ? {} : { left: left.id, leftWhy: left.why.replaceAll(' ', '-') }),
    },
  });
  return session;
}

/** The server welcomed us: its name is certain now. */
export function noteWelcome(session: Session, server: { id: ServerId; name: string }): void {
  session.server = server;
  session.stage = 'welcomed';
  session.giveUpRanMs = Infinity;
}

/** Says `begin`: this session's next byte is at `offset`, and what it makes durable counts from there. */
export function beginSession(turn: Turn, session: Session, offset: number, why: BeginWhy): void {
  session.stage = 'begun';
  session.giveUpRanMs = Infinity;
  session.beganAt = offset;
  session.begunRanMs = turn.state.ranMs;
  session.sent = offset;
  session.limit = offset;
  session.received = offset;
  session.durable = offset;
  session.sends.points = [];
  sayBegin(turn, session, why, true);
}

/** Goes on with a session that had ended: the same part, nothing is reset. */
export function resumeSession(turn: Turn, session: Session): void {
  session.stage = 'begun';
  session.beganAt = session.sent;
  sayBegin(turn, session, 'handover', false);
}

/** Says `begin` in the middle of a session, where bytes do not continue. */
export function breakSession(turn: Turn, session: Session, why: BeginWhy): void {
  session.beganAt = session.sent;
  sayBegin(turn, session, why, true);
}

function sayBegin(turn: Turn, session: Session, why: BeginWhy, inject: boolean): void {
  const offset = session.beganAt;
  turn.effects.push({
    kind: 'begin',
    session: session.id,
    offset,
    why,
    inject,
    ageMs: ageMs(turn.state, offset),
  });
}

/** Says `end` behind what was sent; the session waits for its acks. */
export function endSession(turn: Turn, session: Session): void {
  if (session.stage !== 'begun') return;
  limitSession(turn, session, session.sent);
  session.stage = 'ended';
  turn.effects.push({ kind: 'end', session: session.id, offset: session.sent });
}

/** Sets how far the shell may send. */
export function limitSession(turn: Turn, session: Session, upTo: number): void {
  const limit = Math.max(upTo, session.sent);
  if (limit === session.limit) return;
  session.limit = limit;
  turn.effects.push({ kind: 'send', session: session.id, upTo: limit });
}

/** The session is gone: what the ring gave up relying on it is lost. */
function dropSession(state: ClientState, session: Session): void {
  if (!state.sessions.delete(session.id)) return;
  state.safeTo = Math.max(state.safeTo, session.durable);
  if (session.exposedFrom < session.exposedTo) {
    loseBytes(state, session.exposedFrom, session.exposedTo);
  }
}

/** Closes a session of ours. */
export function closeSession(turn: Turn, session: Session, how: 'done' | 'abandoned'): void {
  dropSession(turn.state, session);
  turn.effects.push({ kind: 'close', session: session.id, how });
}

/** The shell handed bytes to the socket. */
export function noteSent(state: ClientState, session: Session, upTo: number): void {
  if (upTo <= session.sent || upTo > state.produced) return;
  const last = session.sends.points.at(-1);
  if (last === undefined || state.ranMs - last.value >= betweenSendsMs) {
    appendPoint(session.sends, { offset: session.sent, value: state.ranMs }, keepLater);
  }
  session.sent = upTo;
}

/**
 * An ack. Whatever a server says, nothing counts as safe that was not sent to it; acks from before its `begin` arrived
 * change nothing.
 */
export function noteAck(session: Session, ack: Extract<ClientEvent, { kind: 'acked' }>): void {
  if (session.stage !== 'begun' && session.stage !== 'ended') return;
  session.received = Math.max(session.received, Math.min(ack.received, session.sent));
  session.durable = Math.max(session.durable, Math.min(ack.durable, session.received));
  prunePoints(session.sends, lastPointAtOrBelow(session.sends, session.durable)?.offset ?? 0);
  const safe = Math.min(session.durable, session.exposedTo);
  session.exposedFrom = Math.max(session.exposedFrom, safe);
}

/** When the oldest byte was sent that is not durable yet, in own-loop time. */
export function oldestUnsafeRanMs(session: Session): number | undefined {
  if (session.durable >= session.sent) return undefined;
  return lastPointAtOrBelow(session.sends, session.durable)?.value;
}

/**
 * Silent is a session after `ackTimeout` since the later of its last line and the sending of its oldest byte that is not
 * durable, or after 3 s without any line.
 */
export function silentFromRanMs(state: ClientState, session: Session): number {
  if (session.stage === 'dialing') return Infinity;
  const silence = session.lastLineRanMs + limits.silenceMs;
  const sent = oldestUnsafeRanMs(session);
  if (sent === undefined) return silence;
  return Math.min(silence, Math.max(sent, session.lastLineRanMs) + state.config.ackTimeoutMs);
}

/** What people are told a server is called. */
export function serverLabel(session: Session): string {
  return session.server?.name ?? session.candidate.id ?? addressLabel(session.candidate);
}

/** An address as a label, where nothing better is known. */
function addressLabel(candidate: Candidate): string {
  const endpoint = candidate.endpoints[0];
  return endpoint === undefined ? 'unknown' : `${endpoint.ip}:${endpoint.port}`;
}

/** A dial that came to nothing, for people. */
export function tellRefused(turn: Turn, session: Session, reason: RefusedReason, detail: string): void {
  turn.effects.push({
    kind: 'tell',
    event: {
      event: 'refused',
      client: turn.state.config.name,
      to: serverLabel(session),
      reason,
      detail,
    },
  });
}
