/** How many of our clients a peer has places for, now. */
import type { ServerId } from '../../protocol/identifiers.ts';
import type { Peer, ServerState, Turn } from './core-state.ts';

/** A redirect without an answer holds a place at its target this long. */
export const unansweredMs = 30_000;
const turnSpreadMs = 500;
/** After this long without using our turn we draw another one. */
const turnLastsMs = 2000;

/**
 * max − connected − our redirects to it that are unanswered. Where fewer places than servers with clients are left, each
 * waits a random time first and then takes one place at a time: 50 servers around one place asked 768 times for nothing
 * without it (measured in simulation).
 */
export function freePlaces(turn: Turn, peer: Peer): number {
  const { state, nowMs } = turn;
  const { max, connected } = peer.facts ?? { max: 0, connected: 0 };
  const places = max - connected;
  const rivals = countRivals(state, peer.id);
  if (places <= 0) peer.turnAtMs = 0;
  if (places >= rivals || places <= 0) return Math.max(0, places - unanswered(turn, peer.id));
  if (peer.turnAtMs === 0 || nowMs > peer.turnAtMs + turnLastsMs) {
    peer.turnAtMs = nowMs + (state.random() * turnSpreadMs * rivals) / places;
  }
  if (nowMs < peer.turnAtMs) {
    state.evaluateAtMs = Math.min(state.evaluateAtMs, peer.turnAtMs);
    return 0;
  }
  return Math.max(0, 1 - unanswered(turn, peer.id));
}

/** Whether a peer has places and we only wait for our turn. */
export function isWaiting({ facts, turnAtMs }: Peer, nowMs: number): boolean {
  return facts !== undefined && facts.max > facts.connected && nowMs < turnAtMs;
}

/** The servers with clients that may want a place there: ourselves, and the others that are confirmed. */
function countRivals({ peers }: ServerState, target: ServerId): number {
  const others = [...peers.values()].filter(
    ({ id, isLinked, facts }) => id !== target && isLinked && facts !== undefined && facts.connected > 0,
  );
  return others.length + 1;
}

function unanswered({ state, nowMs }: Turn, target: ServerId): number {
  let count = 0;
  for (const { redirect } of state.clients.values()) {
    if (redirect?.to === target && nowMs - redirect.atMs < unansweredMs) count += 1;
  }
  return count;
}
