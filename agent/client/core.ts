/**
 * The heart of a client, without any input or output: which server its bytes go to, from where to where, and what the ring
 * may forget. `step` takes one event and gives back what is to be done; sockets, clock and bytes stand outside.
 */
import { noteBreak, takeProduced, trimRing } from './core-bytes.ts';
import type { ClientEffect, ClientEvent } from './core-events.ts';
import { takeSessionEvent } from './core-incoming.ts';
import { watchLag } from './core-lag.ts';
import { startMove } from './core-move.ts';
import { finish, finishWaiting, giveUp, keepRing, searchRule, sendOn } from './core-rules.ts';
import { beginSearch } from './core-search.ts';
import { noteHeard } from './core-servers.ts';
import { silentFromRanMs } from './core-sessions.ts';
import type { ClientStart, ClientState, Turn } from './core-state.ts';
import { currentSession, limits } from './core-state.ts';
import { moveOn } from './core-steps.ts';

const defaultLoopGapMs = 250;

/** A client that has no server yet: the first `step` dials. */
export function createClientState(start: ClientStart, nowMs: number): ClientState {
  const state: ClientState = {
    config: start.config,
    term: start.term,
    jitter: start.jitter,
    loopGapMs: start.loopGapMs ?? defaultLoopGapMs,
    nowMs,
    ranMs: 0,
    wakeMs: Infinity,
    phase: { name: 'stopped' },
    sessions: new Map(),
    nextSession: 1,
    ...noBytes(start.shareBytes),
    peers: [],
    older: [],
    streamed: [],
    configured: start.servers,
    heard: [],
    rankMoves: [],
    holds: new Map(),
    unreached: [],
    lagMoveAfterRanMs: 0,
    isLagTold: false,
    isOverTold: false,
    pending: undefined,
    hasBegun: false,
    handovers: 0,
    framesLost: 0,
    framesRepeated: 0,
    bytesLost: 0,
    lastHandover: undefined,
  };
  beginSearch(state, { left: undefined, why: 'start', sinceMs: nowMs, framesLostBefore: 0 });
  return state;
}

function noBytes(share: number) {
  return {
    produced: 0,
    ringStart: 0,
    isGapAtStart: false,
    safeTo: 0,
    share,
    cuts: { points: [] },
    frames: { points: [] },
    times: { points: [] },
    lastCut: undefined,
    idr: undefined,
    lastVideoPes: -1,
    pes: [],
    pids: [],
    breaks: [],
    isSourceEnded: false,
  };
}

/**
 * A term of a client: higher than its last one, and by the clock where that is right.
 *
 * @param lastTerm the last term that was saved, 0 if none
 */
export function nextTerm(lastTerm: number, unixMs: number): number {
  return Math.max(lastTerm + 1, Math.floor(unixMs));
}

/**
 * Takes one event and says what to do now, in order. Changes `state`.
 *
 * @param nowMs a clock that never goes back, in milliseconds
 */
export function step(state: ClientState, event: ClientEvent, nowMs: number): readonly ClientEffect[] {
  const turn: Turn = { state, effects: [] };
  const elapsedMs = Math.max(0, nowMs - state.nowMs);
  state.nowMs = Math.max(nowMs, state.nowMs);
  state.ranMs += Math.min(elapsedMs, state.loopGapMs);
  if (state.phase.name === 'stopped') return [];
  takeEvent(turn, event);
  settle(turn);
  wake(turn);
  return turn.effects;
}

function takeEvent(turn: Turn, event: ClientEvent): void {
  const { state } = turn;
  if ('session' in event) {
    takeSessionEvent(turn, event);
    return;
  }
  switch (event.kind) {
    case 'produced':
      if (event.pids !== undefined) state.pids = event.pids;
      takeProduced(state, event.upTo, event.marks);
      return;
    case 'restarted':
      noteBreak(state, state.produced, 'source');
      return;
    case 'sourceEnded':
      state.isSourceEnded = true;
      return;
    case 'heard':
      takeHeard(state, event);
      return;
    case 'share':
      state.share = event.bytes;
      return;
    case 'renewed':
      renew(turn);
      return;
    case 'tick':
  }
}

function takeHeard(state: ClientState, event: Extract<ClientEvent, { kind: 'heard' }>): void {
  const isNew = noteHeard(state, event.server);
  if (state.phase.name !== 'lost' || !isNew) return;
  const { search } = state.phase;
  search.queue = [...search.queue.filter(({ id }) => id !== event.server.id), event.server];
  search.nextRanMs = Math.min(search.nextRanMs, state.ranMs + limits.searchStaggerMs);
}

function renew(turn: Turn): void {
  const current = currentSession(turn.state);
  if (turn.state.phase.name !== 'stream' || current?.server === undefined) return;
  const { endpoints } = current.candidate;
  startMove(turn, current, { id: current.server.id, endpoints }, 'renewed');
}

type Rule = (turn: Turn) => boolean;
const rules: readonly Rule[] = [giveUp, moveOn, keepRing, watchLag, searchRule, finishWaiting, finish];
/** Far above what one event can set off: every rule that fires takes a step forward. */
const maxRounds = 1000;

function settle(turn: Turn): void {
  trimRing(turn);
  for (let round = 0; round < maxRounds; round += 1) {
    if (!rules.some((rule) => rule(turn))) break;
    trimRing(turn);
  }
  sendOn(turn);
}

/** Asks to be woken at the next time limit, and often enough that our own loop's running shows. */
function wake(turn: Turn): void {
  const { state } = turn;
  const due = nextDueRanMs(state);
  if (due === Infinity) return;
  const inMs = Math.min(Math.max(due - state.ranMs, 1), state.loopGapMs * 0.8);
  const atMs = state.nowMs + inMs;
  if (state.wakeMs > state.nowMs && state.wakeMs <= atMs) return;
  state.wakeMs = atMs;
  turn.effects.push({ kind: 'wake', atMs });
}

function nextDueRanMs(state: ClientState): number {
  const { phase } = state;
  const ofSessions = [...state.sessions.values()].map((session) => {
    return Math.min(session.giveUpRanMs, silentFromRanMs(state, session));
  });
  const times = [...ofSessions];
  if (phase.name === 'lost' && phase.search.queue.length > 0) times.push(phase.search.nextRanMs);
  if ('untilRanMs' in phase) times.push(phase.untilRanMs, phase.untilRanMs + limits.cutWaitGraceMs);
  if ('forceRanMs' in phase) times.push(phase.forceRanMs);
  const future = times.filter((time) => time > state.ranMs);
  return Math.min(...future);
}
