/** Anti-flap at the client: its move budget, and its own record of servers that it lost. */
import type { ServerId } from '../../protocol/identifiers.ts';
import type { ClientState } from './core-state.ts';

const hourMs = 3_600_000;
const movesAnHour = 12;
const betweenMovesMs = 30_000;
const firstHoldMs = 5000;
const healthMs = 600_000;

/**
 * Milliseconds until a better rank may move the client: at most 12 moves an hour and none within 30 s of the last. Our
 * choice: simulated, a server that crashes every minute moves a client 19 times in two hours and then rests.
 */
export function moveAfterMs(state: ClientState): number {
  const moves = state.rankMoves;
  const last = moves.at(-1);
  if (last === undefined) return 0;
  const twelfth = moves.at(-movesAnHour);
  const hourly = moves.length >= movesAnHour && twelfth !== undefined ? twelfth + hourMs : 0;
  return Math.max(0, Math.max(last + betweenMovesMs, hourly) - state.nowMs);
}

/** A move for rank was made. */
export function countRankMove(state: ClientState): void {
  const recent = state.rankMoves.filter((atMs) => state.nowMs - atMs < hourMs);
  state.rankMoves = [...recent, state.nowMs].slice(-movesAnHour);
}

/**
 * A server was lost without a drain: 5 s, doubling to 1 h while losses follow each other within 10 min of health or twice
 * the length, whichever is longer.
 */
export function holdDown(state: ClientState, id: ServerId): void {
  const last = state.holds.get(id);
  const isFlapping = last !== undefined && state.nowMs - last.untilMs < Math.max(healthMs, 2 * last.lengthMs);
  const lengthMs = isFlapping ? Math.min(last.lengthMs * 2, hourMs) : firstHoldMs;
  state.holds.delete(id);
  state.holds.set(id, { lengthMs, untilMs: state.nowMs + lengthMs });
  const oldest = state.holds.keys().next();
  if (state.holds.size > maxHolds && oldest.done !== true) state.holds.delete(oldest.value);
}

/** Our choice: more servers than a home has. */
const maxHolds = 64;

/**
 * A `ReleaseFirst` client left a server for this one and came to another. It could tell nobody, as it had left: whoever sent
 * it would send it again, to and fro for ever. So next time it looks before it leaps.
 */
export function noteUnreached(state: ClientState, id: ServerId): void {
  state.unreached = [...state.unreached.filter((known) => known !== id), id].slice(-maxHolds);
}

/** It has our bytes now. */
export function noteReached(state: ClientState, id: ServerId | undefined): void {
  if (state.unreached.length > 0) state.unreached = state.unreached.filter((known) => known !== id);
}

/** Whether the old server is left before `id` is dialed. @see [0067] */
export function isReleasedFirst({ config, unreached }: ClientState, id: ServerId | undefined): boolean {
  return config.order === 'ReleaseFirst' && (id === undefined || !unreached.includes(id));
}

/** Milliseconds until a redirect to that server will be followed; 0 where it is not held down. */
export function heldForMs(state: ClientState, id: ServerId): number {
  return Math.max(0, (state.holds.get(id)?.untilMs ?? 0) - state.nowMs);
}
