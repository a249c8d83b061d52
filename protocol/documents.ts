/** The `hosp` documents: everything that servers and clients say, as values. @see Fig 8A, Fig 8B */
import type { Endpoint } from './endpoints.ts';
import type { ClientId, ServerId, everyClient } from './identifiers.ts';

/** A server as documents name it: `hcsp:…;ip=192.168.1.9:17320`. */
export interface ServerReference {
  readonly id: ServerId;
  readonly address: Endpoint;
}

/** Fig 8A: a server says that it is here, what it can and how full it is. */
export interface Subscribe {
  readonly kind: 'subscribe';
  readonly to: typeof everyClient;
  readonly from: ServerReference;
  readonly features: readonly string[];
  readonly connected: number;
  /** 0 is draining. */
  readonly max: number;
  /** Orders announcements; absent in a plain patent message. */
  readonly order?: { readonly boot: number; readonly seq: number };
  /** At most 8 further addresses. */
  readonly also: readonly Endpoint[];
}

export type RedirectWhy = 'rank' | 'requires' | 'full' | 'drain';

/** Fig 8B: a client is sent to another server, on its own connection. */
export interface Redirect {
  readonly kind: 'redirect';
  readonly to: ClientId | typeof everyClient;
  readonly from: ServerId;
  readonly target: ServerReference;
  readonly features: readonly string[];
  readonly also: readonly Endpoint[];
  readonly why: RedirectWhy;
}

export type SelectionMode = 'Best' | 'AnyValid';
export type MediaType = 'video/mp2t' | 'application/x-ndjson' | 'text/plain' | 'application/octet-stream';

/** A client's first line on a session. */
export interface Connect {
  readonly kind: 'connect';
  readonly to: ServerId;
  readonly from: ClientId;
  readonly stream: string;
  readonly media: MediaType;
  readonly term: number;
  readonly requires: readonly string[];
  /** Integers ≥ 0 by feature; 1 where absent. */
  readonly weights: Readonly<Record<string, number>>;
  readonly mode: SelectionMode;
  /** Milliseconds from now until the move budget allows a move for rank. */
  readonly moveAfterMs: number;
  /** The server it streamed to before, and why it left: for logs and status only. */
  readonly left?: ServerId;
  readonly leftWhy?: string;
}

export type BeginWhy = 'start' | 'handover' | 'replay' | 'source' | 'codec' | 'gap';

export interface Begin {
  readonly kind: 'begin';
  readonly offset: number;
  /** The client's clock, Unix milliseconds. */
  readonly time: number;
  readonly why: BeginWhy;
}

export interface End {
  readonly kind: 'end';
  /** The next offset behind the last counted byte. */
  readonly offset: number;
}

export type RefusedReason =
  | 'full'
  | 'draining'
  | 'unreachable'
  | 'untrusted'
  | 'held'
  | 'budget'
  | 'lost'
  | 'error';

export interface Refused {
  readonly kind: 'refused';
  readonly id: ServerId;
  readonly reason: RefusedReason;
  readonly retryAfterMs?: number;
}

export interface Ping {
  readonly kind: 'ping';
}

export interface Welcome {
  readonly kind: 'welcome';
}

/** The next offsets expected. `durable` never exceeds `received`. */
export interface Ack {
  readonly kind: 'ack';
  readonly received: number;
  readonly durable: number;
}

/** The fail-over list, best first, at most 16. */
export interface Peers {
  readonly kind: 'peers';
  readonly servers: readonly ServerReference[];
}

export type ByeReason = 'full' | 'draining' | 'replaced' | 'untrusted' | 'suspended' | 'stopped' | 'error';

export interface Bye {
  readonly kind: 'bye';
  readonly reason: ByeReason;
  /** With `replaced`: the winner's term. */
  readonly term?: number;
}

/** An announcement on a link: base64 of the very CMS message. */
export interface Signed {
  readonly kind: 'signed';
  readonly message: string;
}

/** On links: who is served here, so that no second bridge opens a camera. */
export interface Serves {
  readonly kind: 'serves';
  readonly client: ClientId;
  readonly term: number;
}

export type HospDocument =
  | Subscribe
  | Redirect
  | Connect
  | Begin
  | End
  | Refused
  | Ping
  | Welcome
  | Ack
  | Peers
  | Bye
  | Signed
  | Serves;
