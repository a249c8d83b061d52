/** The servers that a client knows, and the order in which it tries them when it has none. */
import type { ServerReference } from '../../protocol/documents.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
import type { Candidate } from './core-events.ts';
import type { ClientState, Session, Turn } from './core-state.ts';
import { limits } from './core-state.ts';

/**
 * The fail-over list: the newest `peers`, older ones, every server that it streamed to in this term, the one just lost
 * last; then what was configured and what is heard. Nobody twice.
 */
export function listCandidates(state: ClientState, lost: ServerId | undefined): Candidate[] {
  const listed = [...state.peers, ...state.older].map(fromReference);
  const first = [...listed, ...state.streamed].filter(({ id }) => id === undefined || id !== lost);
  const last = [...state.streamed, ...listed].filter(({ id }) => id !== undefined && id === lost);
  return withoutRepeats([...first, ...last.slice(0, 1), ...state.configured, ...state.heard]);
}

function withoutRepeats(candidates: readonly Candidate[]): Candidate[] {
  const ids = new Set<string>();
  const addresses = new Set<string>();
  return candidates.filter(({ id, endpoints }) => {
    const address = endpoints[0] === undefined ? '' : keyOf(endpoints[0]);
    const isKnown = id === undefined ? addresses.has(address) : ids.has(id);
    if (id !== undefined) ids.add(id);
    for (const endpoint of endpoints) addresses.add(keyOf(endpoint));
    return !isKnown;
  });
}

function keyOf(endpoint: Endpoint): string {
  return `${endpoint.ip} ${endpoint.port}`;
}

/** A server as documents name it, to be dialed. */
export function fromReference(reference: ServerReference): Candidate {
  return { id: reference.id, endpoints: [reference.address] };
}

/** Takes the serving (or next) server's list; what it no longer names is kept behind. */
export function takePeers(turn: Turn, servers: readonly ServerReference[]): void {
  const { state } = turn;
  const named = new Set(servers.map(({ id }) => id));
  const older = [...state.peers, ...state.older].filter(({ id }) => !named.has(id));
  const seen = new Set<ServerId>();
  state.older = older
    .filter(({ id }) => !seen.has(id) && seen.add(id) !== undefined)
    .slice(0, limits.maxKnownServers);
  state.peers = servers;
  turn.effects.push({ kind: 'remember', servers: known(state) });
}

/** Notes where bytes go from now on. */
export function noteStreamed(turn: Turn, session: Session): void {
  const { state } = turn;
  const { server, candidate } = session;
  if (server === undefined) return;
  const others = state.streamed.filter(({ id }) => id !== server.id);
  state.streamed = [...others, { id: server.id, endpoints: candidate.endpoints }].slice(
    -limits.maxKnownServers,
  );
  turn.effects.push({ kind: 'remember', servers: known(state) });
}

/** Notes an announced server, the newest last. @returns true for one that was not known by that address */
export function noteHeard(state: ClientState, server: Candidate): boolean {
  const before = state.heard.find(({ id }) => id === server.id);
  const others = state.heard.filter(({ id }) => id !== server.id);
  state.heard = [...others, server].slice(-limits.maxKnownServers);
  return before === undefined || before.endpoints.map(keyOf).join() !== server.endpoints.map(keyOf).join();
}

function known(state: ClientState): ServerReference[] {
  const streamed = state.streamed.toReversed().flatMap(({ id, endpoints: [address] }) => {
    return id === undefined || address === undefined ? [] : [{ id, address }];
  });
  const seen = new Set<ServerId>();
  return [...streamed.slice(0, 1), ...state.peers, ...streamed.slice(1), ...state.older]
    .filter(({ id }) => !seen.has(id) && seen.add(id) !== undefined)
    .slice(0, maxRemembered);
}

/** Our choice: as many as a `peers` list names. */
const maxRemembered = 16;
