/** The servers that a client knows, and the order in which it tries them when it has none. */
import type { ServerReference } from '../../protocol/documents.ts';
import { type Endpoint, isSameEndpoint } from '../../protocol/endpoints.ts';
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

/** Each server once, at its first place, with every address that is known of it: addresses change. */
function withoutRepeats(candidates: readonly Candidate[]): Candidate[] {
  const merged: Candidate[] = [];
  for (const candidate of candidates) {
    const at = merged.findIndex((known) => isSameServer(known, candidate));
    const known = merged[at];
    if (known === undefined) merged.push(candidate);
    else merged[at] = { ...candidate, ...known, endpoints: mergeEndpoints(known, candidate) };
  }
  return merged;
}

function isSameServer(known: Candidate, other: Candidate): boolean {
  if (known.id !== undefined && other.id !== undefined) return known.id === other.id;
  return other.endpoints.some((endpoint) => known.endpoints.some((one) => isSameEndpoint(one, endpoint)));
}

function mergeEndpoints(known: Candidate, other: Candidate): readonly Endpoint[] {
  const more = other.endpoints.filter((one) => !known.endpoints.some((each) => isSameEndpoint(each, one)));
  return [...known.endpoints, ...more].slice(0, maxEndpoints);
}

/** Our choice: as many as an announcement can name. */
const maxEndpoints = 9;

/** A server as documents name it, to be dialed. */
export function fromReference(reference: ServerReference): Candidate {
  return { id: reference.id, endpoints: [reference.address, ...(reference.also ?? [])] };
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
  turn.effects.push({ kind: 'remember', servers: knownServers(state) });
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
  turn.effects.push({ kind: 'remember', servers: knownServers(state) });
}

/** Notes an announced server, the newest last. @returns true for one that was not heard at that address before */
export function noteHeard(state: ClientState, server: Candidate): boolean {
  const before = state.heard.find(({ id }) => id === server.id);
  const others = state.heard.filter(({ id }) => id !== server.id);
  state.heard = [...others, server].slice(-limits.maxKnownServers);
  return before === undefined || mergeEndpoints(before, server).length > before.endpoints.length;
}

function knownServers(state: ClientState): ServerReference[] {
  const streamed = state.streamed.toReversed().flatMap(({ id, endpoints: [address, ...also] }) => {
    if (id === undefined || address === undefined) return [];
    return [also.length > 0 ? { id, address, also } : { id, address }];
  });
  const seen = new Set<ServerId>();
  return [...streamed.slice(0, 1), ...state.peers, ...streamed.slice(1), ...state.older]
    .filter(({ id }) => !seen.has(id) && seen.add(id) !== undefined)
    .slice(0, maxRemembered);
}

/** Our choice: as many as a `peers` list names. */
const maxRemembered = 16;
