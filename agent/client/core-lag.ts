/** A server that receives but does not make durable. */
import { heldForMs } from './core-budget.ts';
import { startMove } from './core-move.ts';
import { oldestUnsafeRanMs, serverLabel } from './core-sessions.ts';
import type { ClientState, Session, Turn } from './core-state.ts';
import { currentSession, limits } from './core-state.ts';

/** The serving server receives but does not make durable: told first, then a reason to move. */
export function watchLag(turn: Turn): boolean {
  const { state } = turn;
  const current = currentSession(state);
  if (state.phase.name !== 'stream' || current === undefined) return false;
  const oldest = oldestUnsafeRanMs(current);
  const lagMs = oldest === undefined ? 0 : state.ranMs - oldest;
  if (lagMs < limits.lagWarningMs) state.isLagTold = false;
  else if (!state.isLagTold) tellLag(turn, current, lagMs);
  if (!isLagging(state, current) || state.ranMs < state.lagMoveAfterRanMs) return false;
  const other = state.peers.find(({ id }) => id !== current.server?.id && heldForMs(state, id) === 0);
  if (other === undefined) return false;
  state.lagMoveAfterRanMs = state.ranMs + limits.lagMovePauseMs;
  startMove(turn, current, { id: other.id, endpoints: [other.address] }, 'lag');
  return true;
}

/** So far behind that it is a reason to move. */
export function isLagging(state: ClientState, current: Session): boolean {
  const oldest = oldestUnsafeRanMs(current);
  if (oldest !== undefined && state.ranMs - oldest >= limits.lagMoveMs) return true;
  return current.durable < current.sent && isOverLagShare(state, current);
}

/** More bytes are not durable than the ring's share can hold for long. */
export function isOverLagShare(state: ClientState, current: Session): boolean {
  return state.produced - current.durable > state.share * limits.lagShare;
}

function tellLag(turn: Turn, current: Session, lagMs: number): void {
  turn.state.isLagTold = true;
  turn.effects.push({
    kind: 'tell',
    event: {
      event: 'warning',
      reason: 'durableLag',
      client: turn.state.config.name,
      message: `${serverLabel(current)} receives but has made nothing durable for ${Math.round(lagMs)} ms: its disk is slow or stuck`,
    },
  });
}
