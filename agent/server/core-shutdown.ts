/** The way out: clients first, bounded. */
import { announceShutdown } from './core-announcing.ts';
import { dismiss } from './core-clients.ts';
import { isWaiting } from './core-room.ts';
import type { Client, ServerState, Turn } from './core-state.ts';

/** Below the 60 s that systemd and Kubernetes are told to wait. */
const longestShutdownMs = 50_000;
/** Time for the last announcements. */
const leastShutdownMs = 300;

/** Begins: from now on we drain. */
export function beginShutdown(turn: Turn): void {
  const { state, nowMs } = turn;
  if (state.stoppingSinceMs !== undefined) return;
  state.stoppingSinceMs = nowMs;
  state.isDirty = true;
  announceShutdown(turn);
}

/** Ends when nobody is left, when those that are left have nowhere to go, or when time is up. */
export function finishShutdown(turn: Turn): void {
  const { state, nowMs, effects } = turn;
  const { stoppingSinceMs } = state;
  if (stoppingSinceMs === undefined || state.isFinished) return;
  const sinceMs = nowMs - stoppingSinceMs;
  if (sinceMs < leastShutdownMs || (sinceMs < longestShutdownMs && canStillMove(state, nowMs))) return;
  for (const client of state.clients.values()) dismiss(turn, client, 'stopped');
  state.isFinished = true;
  effects.push({ kind: 'tell', event: { event: 'stopped', reason: 'shutdown' } }, { kind: 'finished' });
}

/** When to look again if nothing else happens. */
export function shutdownAtMs({ stoppingSinceMs, isFinished, nowMs }: ServerState): number {
  if (stoppingSinceMs === undefined || isFinished) return Infinity;
  const leastMs = stoppingSinceMs + leastShutdownMs;
  return nowMs < leastMs ? leastMs : stoppingSinceMs + longestShutdownMs;
}

/** Somebody is under way, waits for its last ack, or waits for our turn at a peer's places. */
function canStillMove({ clients, peers }: ServerState, nowMs: number): boolean {
  if (clients.size === 0) return false;
  const isUnderWay = [...clients.values()].some(
    (client) => client.redirect !== undefined || isEnding(client),
  );
  return isUnderWay || [...peers.values()].some((peer) => peer.isLinked && isWaiting(peer, nowMs));
}

function isEnding({ sessions }: Client): boolean {
  return [...sessions.values()].some(({ phase }) => phase === 'ended');
}
