/** Who of our clients goes where: evaluated whenever something changed or a time limit passed. */
import type { Redirect, RedirectWhy } from '../../protocol/documents.ts';
import { compareCodePoints, everyClient, type ServerId } from '../../protocol/identifiers.ts';
import { hasRequired } from '../../protocol/ranking.ts';
import { type CandidateServer, type CurrentServer, chooseServer } from './core-choice.ts';
import { refusedUntilMs } from './core-refusals.ts';
import { freePlaces, unansweredMs } from './core-room.ts';
import {
  type Client,
  type Peer,
  type Turn,
  hasAll,
  isDraining,
  isStreaming,
  liveFeatures,
  rankedPeer,
  rankedSelf,
  referenceOf,
  streamingSessions,
} from './core-state.ts';

interface Move {
  readonly client: Client;
  readonly to: ServerId;
  readonly why: RedirectWhy;
}

/** Redirects those who are better off elsewhere, in order of client identifiers, first come between servers. */
export function redirectClients(turn: Turn): void {
  const { state } = turn;
  const streaming = [...state.clients.values()]
    .filter(isStreaming)
    .toSorted((a, b) => compareCodePoints(a.id, b.id));
  if (streaming.length === 0) return;
  const places = countPlaces(turn);
  const moves: Move[] = [];
  for (const [index, client] of streaming.entries()) {
    const move = decideMove(turn, client, { index, places });
    if (move === undefined) continue;
    places.set(move.to, (places.get(move.to) ?? 0) - 1);
    client.redirect = { to: move.to, why: move.why, atMs: turn.nowMs };
    lookAgainAt(turn, turn.nowMs + unansweredMs);
    moves.push(move);
  }
  say(turn, moves, streaming.length);
}

/** Why we are not the right server for a client, or `rank` where we are eligible; with where it stands among ours. */
export function currentServer(
  { state }: Pick<Turn, 'state'>,
  client: Client,
  index: number,
): CurrentServer & { readonly why: RedirectWhy } {
  const why = findWhy(
    isDraining(state),
    hasRequired(liveFeatures(state), client.wishes.requires),
    index < state.config.max,
  );
  return { ...rankedSelf(state), isEligible: why === 'rank', isDraining: why === 'drain', why };
}

function findWhy(drains: boolean, hasAllRequired: boolean, hasPlace: boolean): RedirectWhy {
  if (drains) return 'drain';
  if (!hasAllRequired) return 'requires';
  return hasPlace ? 'rank' : 'full';
}

function countPlaces(turn: Turn): Map<ServerId, number> {
  const open = [...turn.state.peers.values()].filter(
    ({ isLinked, facts }) => isLinked && (facts?.max ?? 0) > 0,
  );
  return new Map(open.map((peer) => [peer.id, freePlaces(turn, peer)]));
}

function decideMove(
  turn: Turn,
  client: Client,
  { index, places }: { readonly index: number; readonly places: ReadonlyMap<ServerId, number> },
): Move | undefined {
  if (isUnanswered(turn, client)) return undefined;
  const current = currentServer(turn, client, index);
  const candidates = [...places].flatMap(([id, free]) => {
    const peer = turn.state.peers.get(id);
    return peer === undefined || free <= 0 ? [] : findCandidate(turn, client, peer);
  });
  const best = chooseServer(current, candidates, client.wishes);
  if (best === undefined) return undefined;
  if (current.why === 'rank' && client.moveAfterMs > turn.nowMs) {
    lookAgainAt(turn, client.moveAfterMs);
    return undefined;
  }
  return { client, to: best.id, why: current.why };
}

function isUnanswered({ nowMs, state }: Turn, client: Client): boolean {
  if (client.redirect === undefined) return false;
  const untilMs = client.redirect.atMs + unansweredMs;
  if (nowMs >= untilMs) client.redirect = undefined;
  else state.evaluateAtMs = Math.min(state.evaluateAtMs, untilMs);
  return client.redirect !== undefined;
}

function findCandidate(turn: Turn, client: Client, peer: Peer): CandidateServer[] {
  const { state, nowMs } = turn;
  const refusedMs = refusedUntilMs(state, client.id, peer.id);
  if (refusedMs > nowMs) {
    lookAgainAt(turn, refusedMs);
    return [];
  }
  const isHeld = peer.hold.untilMs > nowMs;
  if (isHeld) lookAgainAt(turn, peer.hold.untilMs);
  return [{ ...rankedPeer(peer), isHeld, hasRequired: hasAll(peer, client.wishes) }];
}

/** To `ab:*` when all go to the same for the same reason, else to each by itself. @see [0059], [0060] */
function say(turn: Turn, moves: readonly Move[], streamingCount: number): void {
  const [first] = moves;
  if (first === undefined) return;
  const isAll =
    streamingCount > 1 &&
    moves.length === streamingCount &&
    moves.every(({ to, why }) => to === first.to && why === first.why);
  if (isAll) sayOne(turn, moves, everyClient);
  else for (const move of moves) sayOne(turn, [move], move.client.id);
  for (const { client, to, why } of moves) {
    turn.effects.push({
      kind: 'tell',
      event: {
        event: 'redirected',
        side: 'server',
        client: client.name,
        from: turn.state.name,
        to: turn.state.peers.get(to)?.name ?? to,
        reason: why,
      },
    });
  }
}

function sayOne({ state, effects }: Turn, moves: readonly Move[], to: Redirect['to']): void {
  const [first] = moves;
  const peer = first === undefined ? undefined : state.peers.get(first.to);
  const target = peer === undefined ? undefined : referenceOf(peer);
  if (first === undefined || peer === undefined || target === undefined) return;
  const redirect: Redirect = {
    kind: 'redirect',
    to,
    from: state.id,
    target,
    features: peer.facts?.features ?? [],
    also: peer.endpoints
      .filter(({ ip, port }) => ip !== target.address.ip || port !== target.address.port)
      .slice(0, 8),
    why: first.why,
  };
  const sessions = moves.flatMap(({ client }) => streamingSessions(client).map(({ number }) => number));
  effects.push({ kind: 'redirect', sessions, redirect });
}

function lookAgainAt({ state }: Turn, atMs: number): void {
  state.evaluateAtMs = Math.min(state.evaluateAtMs, atMs);
}
