/** What clients refused: remembered, so that nobody is sent to the same place again and again for nothing. */
import type { Refused, RefusedReason } from '../../protocol/documents.ts';
import type { ClientId, ServerId } from '../../protocol/identifiers.ts';
import { type Client, type ServerState, type Turn, nameOf } from './core-state.ts';

export interface Refusal {
  readonly reason: RefusedReason;
  readonly untilMs: number;
  readonly lengthMs: number;
  readonly atMs: number;
}

const firstRefusalMs = 30_000;
const longestRefusalMs = 300_000;
/** A refusal that follows one sooner than this after twice its length is twice as long. */
const againWithinMs = 10_000;
/** What a client may ask for at most: budgets and hold-downs end within an hour. */
const longestRetryMs = 3_600_000;
/** Our choice: far above what the clients of a home can refuse in ten minutes. */
const maxRefusals = 4096;

/** A client did not go where it was sent. */
export function takeRefused(turn: Turn, client: Client, refused: Refused): void {
  const { state, nowMs } = turn;
  if (client.redirect?.to === refused.id) client.redirect = undefined;
  const retryMs = Math.min(refused.retryAfterMs ?? firstRefusalMs, longestRetryMs);
  if (refused.reason === 'budget') client.moveAfterMs = nowMs + retryMs;
  else if (refused.reason === 'held') {
    remember(state, keyOf(refused.id, client.id), {
      reason: 'held',
      untilMs: nowMs + retryMs,
      lengthMs: 0,
      atMs: nowMs,
    });
  } else noteRefusal(turn, client, refused);
  state.isDirty = true;
  turn.effects.push({
    kind: 'tell',
    event: {
      event: 'refused',
      client: client.name,
      from: state.name,
      to: nameOf(state, refused.id),
      reason: refused.reason,
      ...(refused.retryAfterMs === undefined ? {} : { retryAfterMs: refused.retryAfterMs }),
    },
  });
}

/** What keeps this client from being sent there longest; undefined if nothing ever did. */
export function findRefusal(state: ServerState, client: ClientId, server: ServerId): Refusal | undefined {
  const own = state.refusals.get(keyOf(server, client));
  const everybody = state.refusals.get(keyOf(server));
  if (own === undefined || everybody === undefined) return own ?? everybody;
  return own.untilMs < everybody.untilMs ? everybody : own;
}

/** Until when this client is not sent there; 0 if it may be. */
export function refusedUntilMs(state: ServerState, client: ClientId, server: ServerId): number {
  return findRefusal(state, client, server)?.untilMs ?? 0;
}

/** The server announced room: `full` is over. @returns whether it was refused until now */
export function endFullRefusal({ refusals, nowMs }: ServerState, server: ServerId): boolean {
  const refusal = refusals.get(keyOf(server));
  if (refusal === undefined || refusal.untilMs <= nowMs) return false;
  refusals.set(keyOf(server), { ...refusal, untilMs: 0 });
  return true;
}

function noteRefusal({ state, nowMs }: Turn, client: Client, { id, reason }: Refused): void {
  const key = reason === 'full' ? keyOf(id) : keyOf(id, client.id);
  const last = state.refusals.get(key);
  const isAgain =
    last !== undefined && last.lengthMs > 0 && nowMs - last.atMs < 2 * last.lengthMs + againWithinMs;
  const lengthMs = isAgain ? Math.min(last.lengthMs * 2, longestRefusalMs) : firstRefusalMs;
  remember(state, key, { reason, untilMs: nowMs + lengthMs, lengthMs, atMs: nowMs });
}

function remember({ refusals }: ServerState, key: string, refusal: Refusal): void {
  // Behind all others, so that the first is the oldest.
  refusals.delete(key);
  refusals.set(key, refusal);
  const [oldest] = refusals.keys();
  if (refusals.size > maxRefusals && oldest !== undefined) refusals.delete(oldest);
}

/** `full` is the server's, all else is this client's with it. */
function keyOf(server: ServerId, client: ClientId | '' = ''): string {
  return `${server} ${client}`;
}
