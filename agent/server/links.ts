/** All links of a server: its calls to every peer that it knows, and the calls of those peers to it. */
import { createHash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { type AnnouncementDropReason, verifyAnnouncement } from '../../protocol/announcements.ts';
import type { HospDocument, Serves, Subscribe } from '../../protocol/documents.ts';
import { type Endpoint, formatEndpoint } from '../../protocol/endpoints.ts';
import { type ServerId, isServerId } from '../../protocol/identifiers.ts';
import { type Bad, type Result, bad, good } from '../../protocol/result.ts';
import type { Leaf } from '../../protocol/trust.ts';
import { DialError, type DialReason, dialTls } from '../../tls/dialing.ts';
import type { Identity } from '../../tls/identity.ts';
import type { LiveTrust } from '../trust-directory.ts';
import { type Call, Calls } from './calls.ts';
import { Link, type LinkOwner } from './link.ts';
import type { Incoming } from './listener.ts';
import type { Rechecks } from './rechecks.ts';

const callTimeoutMs = 5000;

/** An announcement that its own server said on a link. */
export interface LinkAnnouncement {
  readonly leaf: Leaf;
  readonly subscribe: Subscribe;
}

export interface LinksOptions {
  readonly identity: Identity;
  readonly trust: LiveTrust;
  readonly rechecks: Rechecks;
  /** Whether an announced address may be called; those that are configured always may. */
  mayCall(endpoint: Endpoint): boolean;
  /** What we say of ourselves to a peer that reaches us at that address of ours. */
  announcementFor(localAddress: string): Uint8Array | undefined;
  /** Whom we serve now: said to each new peer. */
  serves(): readonly Serves[];
  onAnnouncement(announcement: LinkAnnouncement): void;
  /** Our own call reached the announced server, and it has spoken: it is confirmed. */
  onLinked(peer: { readonly id: ServerId; readonly name: string; readonly address: Endpoint }): void;
  onLost(peer: { readonly id: ServerId; readonly name: string; readonly reason: string }): void;
  /** A peer's own call to us is open, or is not any more. */
  onCalledBy(id: ServerId, isOpen: boolean): void;
  onDropped(dropped: Bad<LinkDropReason> & { readonly from: string }): void;
}

/** Why something on a link, or a call, came to nothing. */
type LinkDropReason = AnnouncementDropReason | DialReason | (typeof linkDropReasons)[number];

/** Those of them that no announcement and no call has: we met ourselves, or a peer spoke for another. */
export const linkDropReasons = ['own-identity', 'not-its-own'] as const;

interface OwnCall {
  readonly call: Call;
  readonly link: Link;
  isConfirmed: boolean;
}

/** A peer as its announcement names it. */
export interface Introduction {
  readonly id: ServerId;
  /** As it announced them. */
  readonly endpoints: readonly Endpoint[];
  /** It has started anew since we heard it last. */
  readonly isNewBoot: boolean;
}

export class Links implements LinkOwner {
  readonly #options: LinksOptions;
  readonly #calls = new Calls();
  readonly #closing = new AbortController();
  /** Our own calls that were answered, by the peer's identifier. */
  readonly #ours = new Map<ServerId, OwnCall>();
  /** Calls of the peers, one each. */
  readonly #theirs = new Map<ServerId, Link>();
  /** Those of them that have said who they are. */
  readonly #callers = new Set<Link>();
  /** What each peer said last, so that the same announcement on its other link costs nothing. */
  readonly #lastSaid = new Map<ServerId, string>();
  /** Configured addresses, and who was found there. */
  readonly #configured = new Map<string, ServerId | undefined>();
  readonly #introduced = new Map<ServerId, Introduction>();
  #identity: Identity;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LinksOptions) {
    this.#options = options;
    this.#identity = options.identity;
  }

  /** Calls this peer, now and whenever the link is lost. */
  introduce(introduction: Introduction): void {
    this.#introduced.set(introduction.id, introduction);
    this.#want(introduction);
    this.#pump();
  }

  /** Our networks changed: other addresses may be called than before. */
  reconsider(): void {
    for (const introduction of this.#introduced.values()) this.#want({ ...introduction, isNewBoot: false });
    this.#pump();
  }

  /** No link to that peer any more. */
  forget(id: ServerId): void {
    this.#introduced.delete(id);
    this.#calls.forget(id);
    this.#ours.get(id)?.link.close('forgotten');
  }

  /** The addresses that our owner configured, by the text that names them: called whatever is heard, whoever is there. */
  configure(addresses: ReadonlyMap<string, Endpoint>): void {
    for (const key of this.#configured.keys()) {
      if (addresses.has(key)) continue;
      this.#configured.delete(key);
      this.#calls.forget(key);
    }
    for (const [key, endpoint] of addresses) {
      if (!this.#configured.has(key)) this.#configured.set(key, undefined);
      this.#calls.want({ key, endpoints: [endpoint], isConfigured: true });
    }
    this.#pump();
  }

  /** A verified call of a peer; it speaks first. */
  accept({ socket, leaf, from }: Incoming): void {
    if (!isServerId(leaf.id) || leaf.id === this.#identity.leaf.id) {
      this.#options.onDropped({ ...bad('own-identity', 'a call with our own identity'), from });
      socket.destroy();
      return;
    }
    const link = new Link({ socket, leaf, isOurs: false, owner: this });
    this.#options.rechecks.add(socket, () => link.close('untrusted'));
    this.#theirs.get(leaf.id)?.close('called again');
    this.#theirs.set(leaf.id, link);
  }

  /** Says what we are now on every link. */
  announce(): void {
    for (const link of this.#all()) if (link.isOpen) this.#saySigned(link);
  }

  sayToAll(document: HospDocument): void {
    for (const link of this.#all()) if (link.isOpen) link.say(document);
  }

  setIdentity(identity: Identity): void {
    this.#identity = identity;
  }

  async close(reason: string): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#timer);
    const links = this.#all();
    for (const link of links) link.close(reason);
    await Promise.all(links.map(({ closed }) => closed));
  }

  onOpen(link: Link): void {
    this.#saySigned(link);
    for (const serves of this.#options.serves()) link.say(serves);
  }

  onLine(link: Link, document: HospDocument): void {
    const { id } = link.leaf;
    if (!isServerId(id)) return;
    if (document.kind !== 'signed') return;
    const taken = this.#takeSigned(link, id, document.message);
    if (!taken.ok) {
      this.#options.onDropped({ ...taken, from: link.leaf.name });
      return;
    }
    const confirmed = link.isOurs ? this.#confirm(id, link) : undefined;
    if (taken.value !== undefined) this.#options.onAnnouncement(taken.value);
    if (!link.isOurs) this.#hearCaller(id, link);
    if (confirmed === undefined) return;
    this.#options.onLinked({ id, name: link.leaf.name, address: confirmed.endpoint });
    this.#pump();
  }

  onLost(link: Link, reason: string): void {
    const { id, name } = link.leaf;
    if (!isServerId(id)) return;
    if (this.#theirs.get(id) === link) this.#theirs.delete(id);
    if (this.#callers.delete(link)) this.#options.onCalledBy(id, false);
    const own = this.#ours.get(id);
    if (own?.link !== link) return;
    this.#ours.delete(id);
    this.#lastSaid.delete(id);
    const { call, isConfirmed } = own;
    if (isConfirmed) this.#callLater(call, id, link.lastedMs);
    else this.#calls.failed(call.target.key, call.endpoint, performance.now());
    if (isConfirmed) this.#options.onLost({ id, name, reason });
    this.#pump();
  }

  #want({ id, endpoints, isNewBoot }: Introduction): void {
    const callable = endpoints.filter((endpoint) => this.#options.mayCall(endpoint));
    if (callable.length === 0 || id === this.#identity.leaf.id) return;
    this.#calls.want({ key: id, id, endpoints: callable, isConfigured: false });
    if (isNewBoot) this.#calls.hurry(id);
  }

  /** A confirmed link has closed: its peer is called by its identifier, and whoever is at its configured addresses. */
  #callLater({ endpoint }: Call, id: ServerId, lastedMs: number): void {
    const nowMs = performance.now();
    this.#calls.closed({ key: id, endpoint, lastedMs }, nowMs);
    for (const [key, found] of this.#configured) {
      if (found !== id) continue;
      this.#configured.set(key, undefined);
      this.#calls.closed({ key, endpoint, lastedMs }, nowMs);
    }
  }

  #takeSigned(
    link: Link,
    id: ServerId,
    message: string,
  ): Result<LinkAnnouncement | undefined, LinkDropReason> {
    const bytes = Buffer.from(message, 'base64');
    const hash = createHash('sha256').update(bytes).digest('base64');
    if (this.#lastSaid.get(id) === hash) return good(undefined);
    const verified = verifyAnnouncement(bytes, this.#options.trust.current, Date.now());
    if (!verified.ok) return verified;
    if (verified.value.leaf.spkiSha256 !== link.leaf.spkiSha256) {
      return bad('not-its-own', `a link of ${id} brought an announcement of ${verified.value.leaf.id}`);
    }
    this.#lastSaid.set(id, hash);
    return verified;
  }

  #hearCaller(id: ServerId, link: Link): void {
    if (this.#callers.has(link)) return;
    this.#callers.add(link);
    this.#options.onCalledBy(id, true);
  }

  /** @returns our call, if this was what confirmed it */
  #confirm(id: ServerId, link: Link): Call | undefined {
    const own = this.#ours.get(id);
    if (own?.link !== link || own.isConfirmed) return undefined;
    own.isConfirmed = true;
    const { target } = own.call;
    if (target.id === undefined) this.#foundAgain(target.key, id);
    // Whoever was found at a configured address is not called at its announced one as well.
    if (!this.#calls.has(id)) this.#calls.want({ ...target, key: id, id });
    this.#calls.opened(id);
    return own.call;
  }

  #saySigned(link: Link): void {
    const message = this.#options.announcementFor(link.localAddress);
    if (message === undefined) return;
    link.say({ kind: 'signed', message: Buffer.from(message).toString('base64') });
  }

  #pump(): void {
    if (this.#closing.signal.aborted) return;
    const nowMs = performance.now();
    for (const call of this.#calls.due(nowMs)) void this.#dial(call);
    clearTimeout(this.#timer);
    const nextAtMs = this.#calls.nextAtMs();
    if (nextAtMs === undefined) return;
    this.#timer = setTimeout(() => this.#pump(), Math.max(1, nextAtMs - nowMs));
  }

  async #dial(call: Call): Promise<void> {
    const { target, endpoint } = call;
    try {
      const { socket, leaf } = await dialTls({
        endpoint,
        identity: this.#identity,
        trust: this.#options.trust.current,
        alpn: 'hosp-peer/1',
        ...(target.id === undefined ? {} : { expectId: target.id }),
        signal: this.#closing.signal,
        timeoutMs: callTimeoutMs,
      });
      this.#answered(call, socket, leaf);
    } catch (error) {
      if (!(error instanceof DialError)) throw error;
      this.#calls.failed(target.key, endpoint, performance.now());
      // That nobody answers is the ordinary fate of a peer that is off.
      if (error.isUntrusted)
        this.#options.onDropped({ ...bad(error.reason, error.message), from: formatEndpoint(endpoint) });
    }
    this.#pump();
  }

  #answered(call: Call, socket: TLSSocket, leaf: Leaf): void {
    const { key } = call.target;
    const { id } = leaf;
    const known = isServerId(id) ? this.#ours.get(id) : undefined;
    if (!isServerId(id) || id === this.#identity.leaf.id || known !== undefined || !this.#calls.has(key)) {
      socket.destroy();
      if (known?.isConfirmed === true && isServerId(id)) this.#foundAgain(key, id);
      else this.#calls.failed(key, call.endpoint, performance.now());
      return;
    }
    const link = new Link({ socket, leaf, isOurs: true, owner: this });
    this.#options.rechecks.add(socket, () => link.close('untrusted'));
    this.#ours.set(id, { call, link, isConfirmed: false });
    link.open();
  }

  /** At a configured address is a peer that we have a link to already. */
  #foundAgain(key: string, id: ServerId): void {
    if (this.#configured.has(key)) this.#configured.set(key, id);
    this.#calls.opened(key);
  }

  #all(): readonly Link[] {
    return [...[...this.#ours.values()].map(({ link }) => link), ...this.#theirs.values()];
  }
}
