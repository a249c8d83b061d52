/** Why a better server does not get a client: for people and programs. Changes nothing. */
import type { Obstacle } from './core-events.ts';
import { heldForMs } from './core-holddown.ts';
import { findRefusal, refusedUntilMs } from './core-refusals.ts';
import { isWaiting } from './core-room.ts';
import { type Client, type Peer, type ServerState, hasAll } from './core-state.ts';

/** Why a peer gets nobody now, or not this client; undefined where it is as good as ourselves. */
export function findObstacle(
  state: ServerState,
  peer: Peer,
  { client, nowMs }: { readonly client?: Client; readonly nowMs: number },
): Obstacle | undefined {
  const { facts, isLinked, hold } = peer;
  if (!isLinked || facts === undefined) return 'unconfirmed';
  if (facts.max === 0) return 'draining';
  const wish = client === undefined ? undefined : findWishObstacle(state, peer, { client, nowMs });
  if (wish === 'requires') return wish;
  if (hold.untilMs > nowMs) return 'held';
  if (wish !== undefined) return wish;
  if (facts.connected >= facts.max) return 'full';
  return isWaiting(peer, nowMs) ? 'waiting' : undefined;
}

function findWishObstacle(
  state: ServerState,
  peer: Peer,
  { client, nowMs }: { readonly client: Client; readonly nowMs: number },
): Obstacle | undefined {
  if (!hasAll(peer, client.wishes)) return 'requires';
  return refusedUntilMs(state, client.id, peer.id) > nowMs ? 'refused' : undefined;
}

/** An obstacle in words, with what is missing or until when it lasts; undefined where there is none. */
export function describeObstacle(
  state: ServerState,
  peer: Peer,
  at: { readonly client: Client; readonly nowMs: number },
): string | undefined {
  const obstacle = findObstacle(state, peer, at);
  return obstacle === undefined ? undefined : sentences[obstacle]({ state, peer, ...at });
}

interface Situation {
  readonly state: ServerState;
  readonly peer: Peer;
  readonly client: Client;
  readonly nowMs: number;
}

const sentences: Readonly<Record<Obstacle, (situation: Situation) => string>> = {
  unconfirmed: () => 'not confirmed: our own call has not reached it',
  draining: () => 'draining',
  requires: ({ peer, client }) => {
    const features = peer.facts?.features ?? [];
    return `has no ${client.wishes.requires.filter((feature) => !features.includes(feature)).join(', ')}`;
  },
  held: ({ peer, nowMs }) =>
    `held down, ${showSeconds(heldForMs(peer.hold, nowMs))} more, as its link was lost`,
  refused({ state, peer, client, nowMs }) {
    const refusal = findRefusal(state, client.id, peer.id);
    return refusal === undefined
      ? 'refused'
      : `refused (${refusal.reason}), ${showSeconds(refusal.untilMs - nowMs)} more`;
  },
  full: ({ peer: { facts } }) => `full (${facts?.connected ?? 0} of ${facts?.max ?? 0})`,
  waiting: () => 'waiting for our turn at its few places',
};

/** A time for people. */
export function showSeconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}
