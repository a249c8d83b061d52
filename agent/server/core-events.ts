/**
 * What a server's core is told and what it asks for. Plain data: sockets, clock, signatures and files stand outside. Only what
 * was verified may be told (I1), and every time is `nowMs` of a clock that never goes back.
 */
import type {
  ByeReason,
  Connect,
  Redirect,
  Refused,
  Serves,
  ServerReference,
  Subscribe,
} from '../../protocol/documents.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import type { ClientId, ServerId } from '../../protocol/identifiers.ts';
import type { Untimed } from '../events.ts';

/** A home server, as its owner configures it. The core looks at the first five; the rest is the shell's. */
export interface ServerConfig {
  /** Announced while their sinks are healthy; by default the kinds of the sinks. */
  readonly features: readonly string[];
  /** Clients that may be here at once; 0 is drained. */
  readonly max: number;
  /** Time between announcements, ± 20 %; 10,000 by default. */
  readonly intervalMs: number;
  /** Its clients go elsewhere and nobody new is taken. */
  readonly isDrained: boolean;
  /** `namespace/name` of clients that are sent away with `bye suspended`. */
  readonly suspendedClients: ReadonlySet<string>;
  readonly listenPort: number;
  readonly isAnnounced: boolean;
  readonly interfaces: readonly string[];
  readonly excludeInterfaces: readonly string[];
  /** `host:port` of servers that multicast does not reach. */
  readonly peers: readonly string[];
}

/** The number of a session, given by the shell and never used again. */
export type SessionNumber = number;

/** Everything that can happen to a server. */
export type ServerEvent =
  /** Comes first. `unixMs` makes the boot number and dates what is saved. */
  | { readonly kind: 'start'; readonly unixMs: number }
  | { readonly kind: 'tick' }
  /** A verified announcement whose `from` is its certificate's identifier. On a link it is the link's own peer's. */
  | {
      readonly kind: 'heard';
      readonly subscribe: Subscribe;
      readonly name: string;
      readonly spkiSha256: string;
      readonly via: 'multicast' | 'link';
    }
  /** Our own call is open, its certificate is the announced one's, and its first `heard` via link came before this. */
  | { readonly kind: 'linked'; readonly id: ServerId; readonly name: string; readonly address: Endpoint }
  /** That call is lost. `untrusted` where we closed it because the trust set changed. */
  | { readonly kind: 'unlinked'; readonly id: ServerId; readonly reason: string }
  /** A peer's own call to us opened or closed: it hears us. */
  | { readonly kind: 'calledBy'; readonly id: ServerId; readonly isOpen: boolean }
  /** A message of our own leaf that we did not send, verified: somebody has our key. */
  | { readonly kind: 'ownMessage'; readonly detail: string }
  /** A client's first line on a session; `connect.from` is its certificate's identifier. Answered by `welcome` or `bye`. */
  | {
      readonly kind: 'hello';
      readonly session: SessionNumber;
      readonly connect: Connect;
      readonly name: string;
      readonly spkiSha256: string;
    }
  /** The session's client said `begin`: it streams to us. */
  | { readonly kind: 'begun'; readonly session: SessionNumber }
  /** It said `end`: it only waits for acks. */
  | { readonly kind: 'ended'; readonly session: SessionNumber }
  | { readonly kind: 'refused'; readonly session: SessionNumber; readonly refused: Refused }
  /** The session is over, whoever ended it; also after a `bye` of ours. */
  | { readonly kind: 'gone'; readonly session: SessionNumber; readonly reason: string }
  /** A sink failed or works again: its feature goes at once and comes back after 60 s of health. */
  | { readonly kind: 'health'; readonly feature: string; readonly isHealthy: boolean }
  | { readonly kind: 'configure'; readonly config: ServerConfig }
  /** We are reached at other addresses than before: announce them. */
  | { readonly kind: 'addresses' }
  /** SIGTERM: clients go elsewhere as far as they can, then `finished` comes, after 50 s at the latest. */
  | { readonly kind: 'shutdown' };

/** What an announcement says, but for the address and the signature, which are each interface's and the shell's. */
export type AnnouncedFacts = Required<Pick<Subscribe, 'features' | 'connected' | 'max' | 'order'>>;

/** What the server must do now, in this order. */
export type ServerEffect =
  /** Sign and send on each interface; with `onLinks` also say it on every link. A link that opens later gets the last one. */
  | { readonly kind: 'announce'; readonly facts: AnnouncedFacts; readonly onLinks: boolean }
  /** This peer should have a link: call it, again and again, at those of these addresses that may be called. */
  | {
      readonly kind: 'call';
      readonly id: ServerId;
      readonly endpoints: readonly Endpoint[];
      /** It has started anew since it was heard last: do not wait for a back-off. */
      readonly isNewBoot: boolean;
    }
  /** No link to that peer any more. */
  | { readonly kind: 'forget'; readonly id: ServerId }
  /** SPKI hashes of the confirmed peers: their datagrams are dropped, as the link speaks for them. */
  | { readonly kind: 'linkedLeafs'; readonly spkiSha256: readonly string[] }
  | { readonly kind: 'welcome'; readonly session: SessionNumber }
  | {
      readonly kind: 'bye';
      readonly session: SessionNumber;
      readonly reason: ByeReason;
      readonly term?: number;
    }
  /** Say it on each of the sessions: one client's, or with `to` `ab:*` everybody's. */
  | {
      readonly kind: 'redirect';
      readonly sessions: readonly SessionNumber[];
      readonly redirect: Redirect;
    }
  | {
      readonly kind: 'peers';
      readonly session: SessionNumber;
      readonly servers: readonly ServerReference[];
    }
  /** Say on every link that the client streams to us. */
  | { readonly kind: 'serves'; readonly serves: Serves }
  /** A message that was told changes nothing: `stale` (order), `own-id` (our identifier under another key), `too-many-peers`. */
  | { readonly kind: 'dropped'; readonly reason: CoreDropReason; readonly from: string }
  /** Come back with `tick` at that time if nothing else happens; replaces the last one. */
  | { readonly kind: 'wake'; readonly atMs: number }
  | { readonly kind: 'save'; readonly saved: SavedServer }
  | { readonly kind: 'tell'; readonly event: Untimed }
  /** Everything is said; close the rest. */
  | { readonly kind: 'finished' };

export type CoreDropReason = 'stale' | 'own-id' | 'too-many-peers';
/** For tests and docs: every reason of the core. */
export const coreDropReasons: readonly CoreDropReason[] = ['stale', 'own-id', 'too-many-peers'];

/** What a server must know after a restart. Times are Unix milliseconds. */
export interface SavedServer {
  readonly boot: number;
  readonly peers: readonly SavedPeer[];
}

export interface SavedPeer {
  readonly id: ServerId;
  readonly name: string;
  readonly endpoints: readonly Endpoint[];
  /** Length of the last hold-down; 0 if none. */
  readonly holdMs: number;
  /** When the link was lost last; 0 if never. */
  readonly lostAt: number;
  /** When the link came back; 0 while it is lost. */
  readonly returnedAt: number;
}

/** Why a server is not taken for a client, or would not be. */
export type Obstacle = 'unconfirmed' | 'draining' | 'requires' | 'held' | 'refused' | 'full' | 'waiting';

/** A server as status shows it. */
export interface ServerStatus {
  readonly id: ServerId;
  readonly name: string;
  readonly features: readonly string[];
  /** Features that are configured and not announced, as their sinks are not healthy. */
  readonly missingFeatures: readonly string[];
  readonly level: number;
  readonly max: number;
  readonly connected: number;
  readonly isDraining: boolean;
  readonly boot: number;
  readonly clients: readonly ServedClientStatus[];
  readonly peers: readonly PeerStatus[];
  /** All confirmed servers and ourselves for a client without wishes, best first, and why each stands before the next. */
  readonly ranking: readonly { readonly id: ServerId; readonly name: string; readonly why: string }[];
}

export interface ServedClientStatus {
  readonly id: ClientId;
  readonly name: string;
  readonly streams: readonly string[];
  readonly term: number;
  readonly isStreaming: boolean;
  /** Where it was sent and has not answered. */
  readonly redirectedTo?: ServerId;
  /** Why it stays, or where it would go: a sentence. */
  readonly why: string;
}

export interface PeerStatus {
  readonly id: ServerId;
  readonly name: string;
  readonly address?: Endpoint;
  readonly features: readonly string[];
  readonly max: number;
  readonly connected: number;
  readonly isConfirmed: boolean;
  /** Its own call to us is open. */
  readonly hearsUs: boolean;
  /** Milliseconds for which clients do not go to it yet. */
  readonly heldForMs: number;
  readonly obstacle?: Obstacle;
}
