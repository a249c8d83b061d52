/** Loss of the serving server, and the search for the next: the list in turn, the first welcome wins. */
import type { RefusedReason } from '../../protocol/documents.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
import { holdDown, noteReached, noteUnreached } from './core-budget.ts';
import { trimRingTo } from './core-bytes.ts';
import type { Candidate } from './core-events.ts';
import { listCandidates, noteStreamed } from './core-servers.ts';
import { beginSession, closeSession, openSession, serverLabel, tellRefused } from './core-sessions.ts';
import type { ClientState, PendingReport, Search, Session, Turn } from './core-state.ts';
import { limits, targetSession } from './core-state.ts';

export interface Loss {
  readonly why: string;
  /** A server that said so (draining, stopped, full) is not held down. */
  readonly isAnnounced: boolean;
}

/**
 * The serving server is gone. A next server that had already welcomed us begins at the ring's start; one that is being
 * dialed is the first of the list.
 */
export function loseCurrent(turn: Turn, current: Session, loss: Loss): void {
  const { state } = turn;
  const framesLostBefore = state.framesLost;
  const target = targetSession(state);
  turn.effects.push({
    kind: 'tell',
    event: {
      event: 'disconnected',
      client: state.config.name,
      from: serverLabel(current),
      reason: loss.why,
    },
  });
  if (!loss.isAnnounced && current.server !== undefined) holdDown(state, current.server.id);
  closeSession(turn, current, 'abandoned');
  if (target?.stage === 'welcomed') {
    takeOver(turn, target, undefined, {
      from: serverLabel(current),
      reason: loss.why,
      sinceMs: state.nowMs,
      framesLostBefore,
      oldSent: current.sent,
    });
    return;
  }
  const next = state.phase.name === 'releasing' ? state.phase.move.target : target?.candidate;
  const left = current.server === undefined ? undefined : { ...current.server, sent: current.sent };
  const search = beginSearch(state, { left, why: loss.why, sinceMs: state.nowMs, framesLostBefore }, next);
  if (target !== undefined) adoptDial(state, search, target);
}

/** A dial under way counts as the first of the list. */
function adoptDial(state: ClientState, search: Search, target: Session): void {
  search.queue.shift();
  search.dialing.push(target.id);
  search.nextRanMs = state.ranMs + limits.searchStaggerMs;
  target.giveUpRanMs = Math.min(target.giveUpRanMs, state.ranMs + limits.searchDialMs);
}

/** Begins the search of a client that has no server, or has left it for `first`. */
export function beginSearch(
  state: ClientState,
  search: Pick<Search, 'left' | 'why' | 'sinceMs' | 'framesLostBefore'>,
  first?: Candidate,
): Search {
  const listed = listCandidates(state, search.left?.id);
  const others = listed.filter(({ id }) => first === undefined || id !== first.id);
  const begun: Search = {
    ...search,
    queue: first === undefined ? others : [first, ...others],
    dialing: [],
    nextRanMs: state.ranMs,
    round: 0,
    wanted: state.config.order === 'ReleaseFirst' ? first?.id : undefined,
  };
  state.phase = { name: 'lost', search: begun };
  return begun;
}

/** Dials whom it is time for. @returns true where something changed */
export function searchOn(turn: Turn, search: Search): boolean {
  const { state } = turn;
  if (search.queue.length === 0 && search.dialing.length === 0) return nextRound(state, search);
  if (state.ranMs < search.nextRanMs) return false;
  const candidate = search.queue.shift();
  if (candidate === undefined) return false;
  for (const waiting of sessionsAt(state, candidate.id)) closeSession(turn, waiting, 'abandoned');
  const session = openSession(turn, candidate, dialTimeoutMs(search), {
    id: search.left?.id === candidate.id ? undefined : search.left?.id,
    why: search.why,
  });
  search.dialing.push(session.id);
  search.nextRanMs = state.ranMs + limits.searchStaggerMs;
  return true;
}

function dialTimeoutMs(search: Search): number {
  return Math.min(limits.searchDialMs * (1 + search.round), limits.redirectDialMs);
}

function nextRound(state: ClientState, search: Search): boolean {
  const queue = listCandidates(state, search.left?.id);
  if (queue.length === 0) return false;
  search.round += 1;
  const pause = Math.min(limits.maxRoundPauseMs, limits.searchStaggerMs * search.round);
  search.queue = queue;
  search.nextRanMs = state.ranMs + Math.round(pause * (0.8 + 0.4 * state.jitter));
  return true;
}

function sessionsAt(state: ClientState, id: ServerId | undefined): Session[] {
  if (id === undefined) return [];
  return [...state.sessions.values()].filter(({ server }) => server?.id === id);
}

/** A server of the list will not take us: the next is tried at once. */
export function failSearchDial(
  turn: Turn,
  search: Search,
  failed: { readonly session: Session; readonly reason: RefusedReason; readonly detail: string },
): void {
  const { session, reason, detail } = failed;
  search.dialing = search.dialing.filter((id) => id !== session.id);
  search.nextRanMs = Math.min(search.nextRanMs, turn.state.ranMs);
  if (search.round === 0) tellRefused(turn, session, reason, detail);
  closeSession(turn, session, 'abandoned');
}

/** The first welcome wins: the others are closed, and this server's part begins at the ring's start. */
export function winSearch(turn: Turn, search: Search, session: Session): void {
  const { state } = turn;
  const others = search.dialing.flatMap((id) => (id === session.id ? [] : (state.sessions.get(id) ?? [])));
  const same = sessionsAt(state, session.server?.id).filter(({ id }) => id !== session.id);
  for (const other of new Set([...others, ...same])) closeSession(turn, other, 'abandoned');
  if (search.wanted !== undefined) noteUnreached(state, search.wanted);
  takeOver(turn, session, undefined, {
    from: search.left?.name,
    reason: search.why,
    sinceMs: search.sinceMs,
    framesLostBefore: search.framesLostBefore,
    oldSent: search.left?.sent ?? 0,
  });
}

type TakeOver = Omit<PendingReport, 'session' | 'begin'>;

/**
 * Our bytes go to `session`: the one place where a new server begins.
 *
 * @param cut where the old server's durable bytes end; without it the ring's start
 */
export function takeOver(turn: Turn, session: Session, cut: number | undefined, report: TakeOver): void {
  const { state } = turn;
  const offset = cut ?? state.ringStart;
  beginSession(turn, session, offset, cut === undefined ? replayWhy(state) : 'handover');
  state.pending = { ...report, session: session.id, begin: offset };
  state.hasBegun = true;
  state.phase = { name: 'stream', current: session.id };
  state.isLagTold = false;
  noteStreamed(turn, session);
  noteReached(state, session.server?.id);
  turn.effects.push({
    kind: 'tell',
    event: {
      event: 'connected',
      client: state.config.name,
      to: serverLabel(session),
      milliseconds: Math.round(state.nowMs - report.sinceMs),
    },
  });
  trimRingTo(turn, offset);
}

function replayWhy(state: ClientState): 'start' | 'gap' | 'replay' {
  if (state.isGapAtStart) return 'gap';
  return state.hasBegun ? 'replay' : 'start';
}
