/**
 * The heart of a server, without any input or output: who is confirmed, who is better, which client goes where, and what is
 * announced. `step` takes one event and gives back what is to be done; sockets, signatures, clock and randomness stand outside.
 */
import { nextBoot } from '../../protocol/announcement-order.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
import { announce, announceAgain, announceAtMs, startAnnouncing } from './core-announcing.ts';
import { dismiss, takeClientRefused, takeGone, takeHello, takePhase } from './core-clients.ts';
import type { ServerConfig, ServerEffect, ServerEvent, SessionNumber } from './core-events.ts';
import { defaultHealthMs, nextHealthMs, returnFeatures, takeHealth } from './core-features.ts';
import { tellLists } from './core-lists.ts';
import { takeCalledBy, takeHeard, takeLinked, takeUnlinked, tellConflict } from './core-peers.ts';
import { redirectClients } from './core-redirects.ts';
import { restorePeers, save } from './core-saved.ts';
import { beginShutdown, finishShutdown, shutdownAtMs } from './core-shutdown.ts';
import type { ServerStart, ServerState, Turn } from './core-state.ts';

/**
 * A storm of events (a thousand hellos) is looked at together: at most a hundred evaluations a second, and fewer where each
 * has more clients to look at, so that they never cost more than a few hundredths of the time.
 */
const leastBetweenEvaluationsMs = 10;
const clientsAMillisecond = 20;

function afterEvaluationMs({ clients, evaluatedAtMs }: ServerState): number {
  return evaluatedAtMs + Math.max(leastBetweenEvaluationsMs, Math.ceil(clients.size / clientsAMillisecond));
}

/** A server that has not started: `start` must be its first event. */
export function createServerState({ id, name, config, saved, random, healthMs }: ServerStart): ServerState {
  return {
    id,
    name,
    random,
    config,
    nowMs: 0,
    unixOffsetMs: 0,
    restored: saved,
    peers: new Map(),
    clients: new Map(),
    clientOfSession: new Map(),
    refusals: new Map(),
    healthMs: healthMs ?? defaultHealthMs,
    missing: new Map(),
    announcing: {
      boot: saved?.boot ?? 0,
      seq: 0,
      last: undefined,
      lastContent: '',
      changedAtMs: -Infinity,
      repeatsAtMs: [],
      nextAtMs: Infinity,
    },
    isStarted: false,
    isDirty: false,
    evaluatedAtMs: -Infinity,
    evaluateAtMs: Infinity,
    stoppingSinceMs: undefined,
    isFinished: false,
    wakeAtMs: Infinity,
    saved: '',
    conflictToldAtMs: -Infinity,
  };
}

/**
 * Takes one event and says what to do now, in order. Changes `state`.
 *
 * @param nowMs a clock that never goes back, in milliseconds
 */
export function step(state: ServerState, event: ServerEvent, nowMs: number): readonly ServerEffect[] {
  state.nowMs = Math.max(nowMs, state.nowMs);
  const turn: Turn = { state, nowMs: state.nowMs, effects: [] };
  if (state.isFinished) return [];
  takeEvent(turn, event);
  if (!state.isStarted) return turn.effects;
  settle(turn);
  return turn.effects;
}

function takeEvent(turn: Turn, event: ServerEvent): void {
  if ('session' in event) takeSessionEvent(turn, event);
  else if ('id' in event || event.kind === 'heard') takePeerEvent(turn, event);
  else takeOwnEvent(turn, event);
}

type SessionEvent = Extract<ServerEvent, { readonly session: SessionNumber }>;
type PeerEvent = Extract<ServerEvent, { readonly id: ServerId }> | Extract<ServerEvent, { kind: 'heard' }>;
type OwnEvent = Exclude<ServerEvent, SessionEvent | PeerEvent>;

function takeSessionEvent(turn: Turn, event: SessionEvent): void {
  switch (event.kind) {
    case 'hello':
      takeHello(turn, event);
      return;
    case 'begun':
      takePhase(turn, event.session, 'streaming');
      return;
    case 'ended':
      takePhase(turn, event.session, 'ended');
      return;
    case 'refused':
      takeClientRefused(turn, event);
      return;
    case 'gone':
      takeGone(turn, event.session, event.reason);
  }
}

function takePeerEvent(turn: Turn, event: PeerEvent): void {
  switch (event.kind) {
    case 'heard':
      takeHeard(turn, event);
      return;
    case 'linked':
      takeLinked(turn, event);
      return;
    case 'unlinked':
      takeUnlinked(turn, event);
      return;
    case 'calledBy':
      takeCalledBy(turn, event);
  }
}

function takeOwnEvent(turn: Turn, event: OwnEvent): void {
  switch (event.kind) {
    case 'start':
      start(turn, event.unixMs);
      return;
    case 'ownMessage':
      tellConflict(turn, event.detail);
      return;
    case 'health':
      takeHealth(turn, event.feature, event.isHealthy);
      return;
    case 'configure':
      configure(turn, event.config);
      return;
    case 'addresses':
      announceAgain(turn);
      return;
    case 'shutdown':
      beginShutdown(turn);
      return;
    case 'tick':
      // Whoever woke us, early or late, has no other wake from us now.
      turn.state.wakeAtMs = -Infinity;
  }
}

function start(turn: Turn, unixMs: number): void {
  const { state, nowMs } = turn;
  if (state.isStarted) return;
  state.isStarted = true;
  state.unixOffsetMs = unixMs - nowMs;
  state.announcing.boot = nextBoot(state.restored?.boot ?? 0, unixMs);
  if (state.restored !== undefined) restorePeers(turn, state.restored);
  startAnnouncing(turn);
}

function configure(turn: Turn, config: ServerConfig): void {
  const { state } = turn;
  state.config = config;
  state.isDirty = true;
  for (const client of state.clients.values()) {
    if (config.suspendedClients.has(client.name)) dismiss(turn, client, 'suspended');
  }
}

function settle(turn: Turn): void {
  const { state, nowMs } = turn;
  returnFeatures(turn);
  const dueMs = state.isDirty ? afterEvaluationMs(state) : state.evaluateAtMs;
  if (nowMs >= dueMs) evaluate(turn);
  finishShutdown(turn);
  announce(turn);
  save(turn);
  wake(turn);
}

function evaluate(turn: Turn): void {
  const { state, nowMs } = turn;
  state.isDirty = false;
  state.evaluatedAtMs = nowMs;
  state.evaluateAtMs = Infinity;
  redirectClients(turn);
  tellLists(turn);
}

function wake({ state, nowMs, effects }: Turn): void {
  const dirtyMs = state.isDirty ? afterEvaluationMs(state) : Infinity;
  const dueMs = Math.min(
    dirtyMs,
    state.evaluateAtMs,
    announceAtMs(state),
    nextHealthMs(state),
    shutdownAtMs(state),
  );
  if (state.isFinished || dueMs === Infinity) return;
  // Not now: what is due now was done, and a wake without an end would be a loop.
  const atMs = Math.max(dueMs, nowMs + 1);
  if (state.wakeAtMs > nowMs && state.wakeAtMs === atMs) return;
  state.wakeAtMs = atMs;
  effects.push({ kind: 'wake', atMs });
}
