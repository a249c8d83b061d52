/**
 * What the client's core is told and what it asks for. The core speaks in offsets and sessions only: bytes stay in the ring,
 * sockets in connections. Every number of a session is the core's own, never reused.
 */
import type { Endpoint } from '../../protocol/endpoints.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
import type {
  BeginWhy,
  ByeReason,
  MediaType,
  Redirect,
  RefusedReason,
  SelectionMode,
  ServerReference,
} from '../../protocol/documents.ts';
import type { Mark } from '../../protocol/media/scanner.ts';
import type { Untimed } from '../events.ts';

/** `ConnectFirst` loses and repeats least; `ReleaseFirst` is the patent's order. @see [0067] */
export type HandoverOrder = 'ConnectFirst' | 'ReleaseFirst';

/** One camera, sensor or PC, as its owner configures it. */
export interface ClientConfig {
  /** `namespace/name`: what events call it. */
  readonly name: string;
  readonly stream: string;
  readonly media: MediaType;
  readonly requires: readonly string[];
  /** Integers ≥ 0 by feature; 1 where absent. */
  readonly weights: Readonly<Record<string, number>>;
  readonly mode: SelectionMode;
  readonly order: HandoverOrder;
  /** Silence with bytes outstanding that means loss; 1,000 by default. */
  readonly ackTimeoutMs: number;
  /** How long to wait for a key frame before a lossy file cut; 10,000 by default. */
  readonly cutWaitMs: number;
}

/** The defaults of design and resources, for everything but the name. */
export const defaultClientConfig: Omit<ClientConfig, 'name'> = {
  stream: 'main',
  media: 'video/mp2t',
  requires: [],
  weights: {},
  mode: 'Best',
  order: 'ConnectFirst',
  ackTimeoutMs: 1000,
  cutWaitMs: 10_000,
};

/** A server that can be dialed; without an identifier where only an address was configured. */
export interface Candidate {
  readonly id?: ServerId;
  /** Tried in this order; at least one. */
  readonly endpoints: readonly Endpoint[];
}

export type SessionId = number;

/** Why a dial came to nothing, where no `bye` said so. */
export type DialProblem = 'unreachable' | 'untrusted' | 'error';

/** How a connection ended without `bye`. */
export type CloseHow = 'fin' | 'reset' | 'untrusted' | 'error';

/** Everything that can happen to a client. */
export type ClientEvent =
  /** The ring holds the bytes up to `upTo`; `marks` are those that became known with them. */
  | {
      readonly kind: 'produced';
      readonly upTo: number;
      readonly marks: readonly Mark[];
      /** The scanner's `elementaryPids`, where they changed. */
      readonly pids?: readonly number[];
    }
  /** A new source session: the next byte does not continue the last. */
  | { readonly kind: 'restarted' }
  /** No more bytes will come: everything is made durable, then `stop` with `finished`. */
  | { readonly kind: 'sourceEnded' }
  /** Counted bytes up to `upTo` were handed to the socket of that session. */
  | { readonly kind: 'sent'; readonly session: SessionId; readonly upTo: number }
  /** The certificate is good and the server said `welcome`. */
  | {
      readonly kind: 'welcomed';
      readonly session: SessionId;
      readonly id: ServerId;
      readonly name: string;
    }
  | {
      readonly kind: 'dialFailed';
      readonly session: SessionId;
      readonly reason: DialProblem;
      readonly detail: string;
    }
  | {
      readonly kind: 'acked';
      readonly session: SessionId;
      readonly received: number;
      readonly durable: number;
    }
  | { readonly kind: 'redirect'; readonly session: SessionId; readonly redirect: Redirect }
  | {
      readonly kind: 'peers';
      readonly session: SessionId;
      readonly servers: readonly ServerReference[];
    }
  | {
      readonly kind: 'bye';
      readonly session: SessionId;
      readonly reason: ByeReason;
      readonly term?: number;
    }
  /** A line that says nothing else. */
  | { readonly kind: 'alive'; readonly session: SessionId }
  /** The connection is gone; nothing comes from that session any more. */
  | {
      readonly kind: 'closed';
      readonly session: SessionId;
      readonly how: CloseHow;
      readonly detail: string;
    }
  /** A verified announcement, for clients that discover. */
  | { readonly kind: 'heard'; readonly server: Candidate }
  /** The client's share of the agent's ring budget changed. */
  | { readonly kind: 'share'; readonly bytes: number }
  /** Our certificate was renewed, the key is the same, or the server's runs out: hand over to the same server. */
  | { readonly kind: 'renewed' }
  | { readonly kind: 'tick' };

/** What only the core knows about a hello; the rest is the configuration. */
export interface HelloFacts {
  readonly moveAfterMs: number;
  readonly left?: ServerId;
  readonly leftWhy?: string;
}

/** What the client must do now, in this order. */
export type ClientEffect =
  /**
   * Dial the endpoints in order, check the certificate (a server's, and `expectId` where it is said), say hello; answer with
   * `welcomed`, `dialFailed`, `bye` or `closed`. The core closes what takes too long.
   */
  | {
      readonly kind: 'dial';
      readonly session: SessionId;
      readonly endpoints: readonly Endpoint[];
      readonly expectId?: ServerId;
      readonly hello: HelloFacts;
    }
  /** Say `begin`; with `inject`, tables and discontinuity go behind it. The session's next counted byte is at `offset`. */
  | {
      readonly kind: 'begin';
      readonly session: SessionId;
      readonly offset: number;
      readonly why: BeginWhy;
      readonly inject: boolean;
      /** How long ago the byte at `offset` came from the source: `time` is the client's clock less this. */
      readonly ageMs: number;
    }
  /** Counted bytes may be sent while below `upTo`; replaces the session's last limit, and may be lower, never below `sent`. */
  | { readonly kind: 'send'; readonly session: SessionId; readonly upTo: number }
  /** Say `end`: all bytes below `offset` were sent. The connection stays open for acks. */
  | { readonly kind: 'end'; readonly session: SessionId; readonly offset: number }
  /** Tell the server that sent us away why we stay. */
  | {
      readonly kind: 'refused';
      readonly session: SessionId;
      readonly id: ServerId;
      readonly reason: RefusedReason;
      readonly retryAfterMs?: number;
    }
  /** Close: `done` by FIN after what was written, `abandoned` at once. No event of that session matters any more. */
  | { readonly kind: 'close'; readonly session: SessionId; readonly how: 'done' | 'abandoned' }
  /** Bytes below `upTo` are needed no more. */
  | { readonly kind: 'free'; readonly upTo: number }
  /** Come back with `tick` at that time if nothing else happens; replaces the last one. */
  | { readonly kind: 'wake'; readonly atMs: number }
  | { readonly kind: 'tell'; readonly event: Untimed }
  /** Servers to know after a restart, best first. */
  | { readonly kind: 'remember'; readonly servers: readonly ServerReference[] }
  /** It is over: `finished` after the last byte is durable, `replaced` by a client with a higher term. Close the source. */
  | { readonly kind: 'stop'; readonly reason: 'finished' | 'replaced'; readonly term?: number };

export type PhaseName =
  | 'lost'
  | 'stream'
  | 'releasing'
  | 'dial'
  | 'waitCut'
  | 'tail'
  | 'waitDurable'
  | 'stopped';

/** A client as status shows it. Counters are of this term. */
export interface ClientStatus {
  readonly name: string;
  readonly stream: string;
  readonly term: number;
  readonly phase: PhaseName;
  /** The server that it streams to. */
  readonly server?: { readonly id: ServerId; readonly name: string };
  /** The server of a handover under way. */
  readonly target?: { readonly id?: ServerId; readonly name?: string };
  /** Next offsets: made by the source, sent, durable; and where the ring begins. */
  readonly produced: number;
  readonly sent: number;
  readonly durable: number;
  readonly ringStart: number;
  readonly shareBytes: number;
  readonly handovers: number;
  readonly framesLost: number;
  readonly framesRepeated: number;
  readonly bytesLost: number;
  /** Given up by a full ring though not durable yet: lost if that server dies now. */
  readonly bytesExposed: number;
  readonly moveAfterMs: number;
  readonly lastHandover?: HandoverReport;
}

/**
 * One move from a server to another, from redirect or loss to the first ack of the new one.
 *
 * `framesLost` counts the frames of bytes that the ring gave up since it began (nothing else can lose any), measured at
 * frame starts that the scanner marked: video PES packets, lines elsewhere. `framesRepeated` counts the frames that begin
 * in bytes sent to both servers: joined by offset they are one. Bytes that the server said were durable and then lost are
 * beyond a client's knowledge: `check` sees those.
 */
export interface HandoverReport {
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly milliseconds: number;
  readonly framesLost: number;
  readonly framesRepeated: number;
}
