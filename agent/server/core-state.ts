/** What a server's core knows. Changed only by `step`. */
import type { RedirectWhy, ServerReference } from '../../protocol/documents.ts';
import type { AnnouncementOrder } from '../../protocol/announcement-order.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import type { ClientId, ServerId } from '../../protocol/identifiers.ts';
import { type Preferences, type RankedServer, hasRequired } from '../../protocol/ranking.ts';
import type {
  AnnouncedFacts,
  SavedServer,
  ServerConfig,
  ServerEffect,
  SessionNumber,
} from './core-events.ts';
import type { HoldDown } from './core-holddown.ts';
import type { Refusal } from './core-refusals.ts';

export interface ServerStart {
  readonly id: ServerId;
  readonly name: string;
  readonly config: ServerConfig;
  readonly saved?: SavedServer;
  /** From 0 inclusive to 1 exclusive; spreads announcements and moves, decides nothing. */
  readonly random: () => number;
  /** How long a sink must work again before its feature comes back; 60,000 by default. */
  readonly healthMs?: number;
}

/** What a peer said last. */
export interface PeerFacts {
  readonly features: readonly string[];
  readonly connected: number;
  readonly max: number;
}

export interface Peer {
  readonly id: ServerId;
  name: string;
  /** Of its certificate; empty where it is only remembered. */
  spkiSha256: string;
  /** As announced. */
  endpoints: readonly Endpoint[];
  /** Where our own call reached it. */
  address: Endpoint | undefined;
  facts: PeerFacts | undefined;
  order: AnnouncementOrder | undefined;
  /** Confirmed. */
  isLinked: boolean;
  hearsUs: boolean;
  hold: HoldDown;
  /** Until when we wait for our turn at its few places; 0 while we do not. */
  turnAtMs: number;
  heardAtMs: number;
}

/** `ended` waits for acks only. */
export type SessionPhase = 'welcomed' | 'streaming' | 'ended';

export interface Session {
  readonly number: SessionNumber;
  readonly stream: string;
  phase: SessionPhase;
  /** The fail-over list that it was told last. */
  listed: string;
}

export interface PendingRedirect {
  readonly to: ServerId;
  readonly why: RedirectWhy;
  readonly atMs: number;
}

/** A client that has a place here. */
export interface Client {
  readonly id: ClientId;
  readonly name: string;
  readonly spkiSha256: string;
  readonly term: number;
  readonly sessions: Map<SessionNumber, Session>;
  wishes: Preferences;
  /** Before that its budget allows no move for rank. */
  moveAfterMs: number;
  redirect: PendingRedirect | undefined;
}

export interface Announcing {
  boot: number;
  seq: number;
  last: AnnouncedFacts | undefined;
  /** What `last` said but for its order. */
  lastContent: string;
  changedAtMs: number;
  /** Repeats of the start and of the shutdown that are still to be sent. */
  repeatsAtMs: readonly number[];
  nextAtMs: number;
}

export interface ServerState {
  readonly id: ServerId;
  readonly name: string;
  readonly random: () => number;
  config: ServerConfig;
  nowMs: number;
  /** Unix milliseconds at `nowMs` 0; dates what is saved. */
  unixOffsetMs: number;
  isStarted: boolean;
  /** What was remembered; looked at by `start`. */
  readonly restored: SavedServer | undefined;
  readonly peers: Map<ServerId, Peer>;
  readonly clients: Map<ClientId, Client>;
  readonly clientOfSession: Map<SessionNumber, ClientId>;
  readonly refusals: Map<string, Refusal>;
  readonly healthMs: number;
  /** Features whose sinks are not healthy, until when; Infinity while they fail. */
  readonly missing: Map<string, number>;
  readonly announcing: Announcing;
  /** Something changed since the last evaluation. */
  isDirty: boolean;
  evaluatedAtMs: number;
  /** When to look again if nothing changes. */
  evaluateAtMs: number;
  stoppingSinceMs: number | undefined;
  isFinished: boolean;
  wakeAtMs: number;
  saved: string;
  conflictToldAtMs: number;
}

/** One step under way. */
export interface Turn {
  readonly state: ServerState;
  readonly nowMs: number;
  readonly effects: ServerEffect[];
}

/** The features that we announce: those configured whose sinks are healthy. */
export function liveFeatures({ config, missing }: ServerState): readonly string[] {
  return config.features.filter((feature) => !missing.has(feature));
}

/** Whether our clients have to go and nobody new is taken. */
export function isDraining({ config, stoppingSinceMs }: ServerState): boolean {
  return config.isDrained || config.max === 0 || stoppingSinceMs !== undefined;
}

/** Ourselves, as the others rank us. */
export function rankedSelf(state: ServerState): RankedServer {
  const { id, config, announcing } = state;
  return { id, features: liveFeatures(state), max: config.max, boot: announcing.boot };
}

/** A peer that has said what it is, to be ranked. */
export function rankedPeer(peer: Peer): RankedServer {
  return {
    id: peer.id,
    features: peer.facts?.features ?? [],
    max: peer.facts?.max ?? 0,
    boot: peer.order?.boot ?? 0,
  };
}

/** A confirmed peer that takes clients: whether it has what this client requires. */
export function hasAll(peer: Peer, { requires }: Preferences): boolean {
  return hasRequired(peer.facts?.features ?? [], requires);
}

/** How a client is told to reach a peer: where our own call reached it. */
export function referenceOf(peer: Peer): ServerReference | undefined {
  const address = peer.address ?? peer.endpoints[0];
  return address === undefined ? undefined : { id: peer.id, address };
}

/** The sessions of a client that stream to us. */
export function streamingSessions({ sessions }: Client): readonly Session[] {
  return [...sessions.values()].filter(({ phase }) => phase === 'streaming');
}

/** Only these can be sent elsewhere: a client ignores redirects of servers that it does not stream to. */
export function isStreaming(client: Client): boolean {
  for (const { phase } of client.sessions.values()) if (phase === 'streaming') return true;
  return false;
}

/** The name of a server for people. */
export function nameOf({ id: ownId, name, peers }: ServerState, id: ServerId): string {
  return id === ownId ? name : (peers.get(id)?.name ?? id);
}
