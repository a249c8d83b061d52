/** What a server is and why its clients are where they are, for people and programs. Changes nothing. */
import type { Serves } from '../../protocol/documents.ts';
import { compareCodePoints } from '../../protocol/identifiers.ts';
import { explainRank, levelOf, noPreferences, rankServers } from '../../protocol/ranking.ts';
import type { Obstacle, PeerStatus, ServedClientStatus, ServerStatus } from './core-events.ts';
import { heldForMs } from './core-holddown.ts';
import { currentServer } from './core-redirects.ts';
import { refusedUntilMs } from './core-refusals.ts';
import { isWaiting } from './core-room.ts';
import {
  type Client,
  type Peer,
  type ServerState,
  hasAll,
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

/** Why a peer gets nobody now, or not this client; undefined where it is as good as ourselves. */
function findObstacle(
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
  const [best] = rankServers([self, ...linked.map(rankedPeer)], client.wishes);
  if (linked.length === 0 || best === undefined) return 'no other server is confirmed';
  const [second] = rankServers(linked.map(rankedPeer), client.wishes);
  if (best.id === self.id && second !== undefined) {
    return `best here: ${explainRank(self, second, client.wishes)} of ${nameOf(state, second.id)}`;
  }
  const peer = state.peers.get(best.id);
  const obstacle = peer === undefined ? undefined : findObstacle(state, peer, { client, nowMs: place.nowMs });
  const because = obstacle ?? (client.moveAfterMs > place.nowMs ? 'budget' : 'in a moment');
  return `${nameOf(state, best.id)} is better (${explainRank(best, self, client.wishes)}), but: ${because}`;
}

function listObstacles(state: ServerState, client: Client, { nowMs }: Place): string {
  const obstacles = [...state.peers.values()].map(
    (peer) => `${peer.name} ${findObstacle(state, peer, { client, nowMs }) ?? 'in a moment'}`,
  );
  return obstacles.length === 0 ? 'no other server is known' : obstacles.join(', ');
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
