/** What a server is and why its clients are where they are, for people and programs. Changes nothing. */
import type { Serves } from '../../protocol/documents.ts';
import { compareCodePoints } from '../../protocol/identifiers.ts';
import { explainRank, levelOf, noPreferences, rankServers } from '../../protocol/ranking.ts';
import type { PeerStatus, ServedClientStatus, ServerStatus } from './core-events.ts';
import { heldForMs } from './core-holddown.ts';
import { describeObstacle, findObstacle, showSeconds } from './core-obstacles.ts';
import { currentServer } from './core-redirects.ts';
import {
  type Client,
  type Peer,
  type ServerState,
  isDraining,
  isStreaming,
  liveFeatures,
  nameOf,
  rankedPeer,
  rankedSelf,
} from './core-state.ts';

/** The server as it is at `nowMs` of the core's clock. */
export function serverStatus(state: ServerState, nowMs: number): ServerStatus {
  const features = liveFeatures(state);
  return {
    id: state.id,
    name: state.name,
    features,
    missingFeatures: state.config.features.filter((feature) => !features.includes(feature)),
    level: levelOf(features, {}),
    max: state.config.max,
    connected: state.clients.size,
    isDraining: isDraining(state),
    boot: state.announcing.boot,
    clients: describeClients(state, nowMs),
    peers: [...state.peers.values()].map((peer) => describePeer(state, peer, nowMs)),
    ranking: describeRanking(state),
  };
}

/** Whom we serve: what a link is told when it opens. */
export function servedClients({ clients }: ServerState): readonly Serves[] {
  return [...clients.values()]
    .filter(isStreaming)
    .map(({ id, term }): Serves => ({ kind: 'serves', client: id, term }));
}

function describeClients(state: ServerState, nowMs: number): readonly ServedClientStatus[] {
  const sorted = [...state.clients.values()].toSorted((a, b) => compareCodePoints(a.id, b.id));
  const streaming = sorted.filter(isStreaming);
  return sorted.map((client) => ({
    id: client.id,
    name: client.name,
    streams: [...new Set([...client.sessions.values()].map(({ stream }) => stream))],
    term: client.term,
    isStreaming: isStreaming(client),
    ...(client.redirect === undefined ? {} : { redirectedTo: client.redirect.to }),
    why: explainClient(state, client, { index: streaming.indexOf(client), nowMs }),
  }));
}

interface Place {
  /** Among those that stream to us; -1 for others. */
  readonly index: number;
  readonly nowMs: number;
}

function explainClient(state: ServerState, client: Client, place: Place): string {
  if (!isStreaming(client)) return 'does not stream here now';
  if (client.redirect !== undefined) {
    return `sent to ${nameOf(state, client.redirect.to)} (${client.redirect.why})`;
  }
  const { why } = currentServer({ state }, client, place.index);
  if (why !== 'rank')
    return `cannot stay (${why}), and nobody else can take it: ${listObstacles(state, client, place)}`;
  return explainStay(state, client, place);
}

function explainStay(state: ServerState, client: Client, place: Place): string {
  const self = rankedSelf(state);
  const linked = [...state.peers.values()].filter(({ isLinked }) => isLinked);
  if (linked.length === 0) return 'no other server is confirmed';
  const ranked = rankServers([self, ...linked.map(rankedPeer)], client.wishes);
  const own = ranked.indexOf(self);
  const next = ranked[own + 1];
  if (own === 0 && next !== undefined) {
    return `best here: ${explainRank(self, next, client.wishes)} of ${nameOf(state, next.id)}`;
  }
  const better = ranked.slice(0, own).map((server) => {
    const peer = state.peers.get(server.id);
    const because =
      peer === undefined ? undefined : describeObstacle(state, peer, { client, nowMs: place.nowMs });
    const why = because ?? describeBudget(client, place) ?? 'in a moment';
    return `${nameOf(state, server.id)} is better (${explainRank(server, self, client.wishes)}), but: ${why}`;
  });
  return better.join('; ');
}

function describeBudget({ moveAfterMs }: Client, { nowMs }: Place): string | undefined {
  return moveAfterMs > nowMs
    ? `the move budget of the client, ${showSeconds(moveAfterMs - nowMs)} more`
    : undefined;
}

function listObstacles(state: ServerState, client: Client, { nowMs }: Place): string {
  const obstacles = [...state.peers.values()].map(
    (peer) => `${peer.name} ${describeObstacle(state, peer, { client, nowMs }) ?? 'in a moment'}`,
  );
  return obstacles.length === 0 ? 'no other server is known' : obstacles.join('; ');
}

function describePeer(state: ServerState, peer: Peer, nowMs: number): PeerStatus {
  const obstacle = findObstacle(state, peer, { nowMs });
  const address = peer.address ?? peer.endpoints[0];
  return {
    id: peer.id,
    name: peer.name,
    ...(address === undefined ? {} : { address }),
    ...(peer.facts ?? { features: [], max: 0, connected: 0 }),
    isConfirmed: peer.isLinked,
    hearsUs: peer.hearsUs,
    heldForMs: peer.isLinked ? heldForMs(peer.hold, nowMs) : 0,
    ...(obstacle === undefined ? {} : { obstacle }),
  };
}

function describeRanking(state: ServerState): ServerStatus['ranking'] {
  const peers = [...state.peers.values()].filter(({ isLinked }) => isLinked).map(rankedPeer);
  const ranked = rankServers([rankedSelf(state), ...peers], noPreferences);
  return ranked.map((server, index) => {
    const next = ranked[index + 1];
    const why =
      next === undefined
        ? 'last'
        : `before ${nameOf(state, next.id)}: ${explainRank(server, next, noPreferences)}`;
    return { id: server.id, name: nameOf(state, server.id), why };
  });
}
