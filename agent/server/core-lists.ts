/** The fail-over list of each client: where to go when we are gone without a word. */
import { maxListedAddresses, maxListedServers } from '../../protocol/document-parsing.ts';
import type { ServerReference } from '../../protocol/documents.ts';
import { isSameEndpoint } from '../../protocol/endpoints.ts';
import { type Preferences, rankServers } from '../../protocol/ranking.ts';
import { type Peer, type ServerState, type Turn, hasAll, rankedPeer, referenceOf } from './core-state.ts';

/** Tells each session its list where that is another one than it was told. */
export function tellLists(turn: Turn): void {
  const { state, effects } = turn;
  /** Clients with the same wishes have the same list: most have none. */
  const lists = new Map<string, List>();
  for (const client of state.clients.values()) {
    const wishes = textOf(client.wishes);
    const { servers, text } = lists.get(wishes) ?? listFor(state, client.wishes, turn.nowMs);
    lists.set(wishes, { servers, text });
    for (const session of client.sessions.values()) {
      if (session.listed === text) continue;
      session.listed = text;
      effects.push({ kind: 'peers', session: session.number, servers });
    }
  }
}

interface List {
  readonly servers: readonly ServerReference[];
  readonly text: string;
}

function listFor(state: ServerState, wishes: Preferences, nowMs: number): List {
  const servers = listServers(state, wishes, nowMs);
  return { servers, text: JSON.stringify(servers) };
}

/** A client's wishes are an object of its hello's, which nobody changes: a thousand clients are looked at together. */
const wishesTexts = new WeakMap<Preferences, string>();

function textOf(wishes: Preferences): string {
  const text = wishesTexts.get(wishes) ?? JSON.stringify(wishes);
  wishesTexts.set(wishes, text);
  return text;
}

/**
 * At most 16: those with room, best first for this client; then those with room that are held down; then full ones. Among
 * equals in that, those without all that it requires come last.
 */
function listServers(state: ServerState, wishes: Preferences, nowMs: number): readonly ServerReference[] {
  const open = [...state.peers.values()].filter(({ isLinked, facts }) => isLinked && (facts?.max ?? 0) > 0);
  const byId = new Map(open.map((peer) => [peer.id, peer]));
  const ranked = rankServers(open.map(rankedPeer), wishes).flatMap(({ id }) => byId.get(id) ?? []);
  return ranked
    .toSorted((a, b) => groupOf(a, wishes, nowMs) - groupOf(b, wishes, nowMs))
    .flatMap((peer) => listed(peer) ?? [])
    .slice(0, maxListedServers);
}

/** With the other addresses that it announces: a client on another network than ours may reach it by those only. */
function listed(peer: Peer): ServerReference | undefined {
  const reference = referenceOf(peer);
  if (reference === undefined) return undefined;
  const also = peer.endpoints
    .filter((endpoint) => !isSameEndpoint(endpoint, reference.address))
    .slice(0, maxListedAddresses);
  return also.length > 0 ? { ...reference, also } : reference;
}

function groupOf(peer: Peer, wishes: Preferences, nowMs: number): number {
  const { connected, max } = peer.facts ?? { connected: 0, max: 0 };
  const isFull = connected >= max;
  const isHeld = peer.hold.untilMs > nowMs;
  return (isFull ? 4 : 0) + (isHeld ? 2 : 0) + (hasAll(peer, wishes) ? 0 : 1);
}
