/** A virtual machine that runs the real server core: its links, its sessions, and a disk that survives it. */
import type { ServerConfig, ServerEffect, ServerEvent, SavedServer } from '../../agent/server/core-events.ts';
import type { ServerState } from '../../agent/server/core-state.ts';
import { createServerState, step } from '../../agent/server/core.ts';
import { Intake } from '../../agent/server/intake.ts';
import type { HospDocument, Redirect, Subscribe } from '../../protocol/documents.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
import type { Connection } from './connection.ts';
import { Pipe } from './network.ts';
import type { StrangerMessage } from './strangers.ts';
import type { World } from './world.ts';

/** Our own call to a peer. */
interface OwnCall {
  state: 'idle' | 'calling' | 'open';
  endpoints: readonly Endpoint[];
  /** Whom it reached, and of which run. */
  peer: VirtualServer | undefined;
  generation: number;
  silentSinceMs: number;
  pipe: Pipe | undefined;
}

const ownCheckMs = 1000;
const linkSilenceMs = 3000;

export interface ServerMachine {
  readonly index: number;
  /** Whose certificate it has; a copied state folder has somebody else's. */
  readonly name: string;
  readonly saved?: SavedServer;
}

export class VirtualServer {
  readonly world: World;
  readonly id: ServerId;
  readonly name: string;
  readonly host: string;
  readonly address: Endpoint;
  config: ServerConfig;
  state: ServerState;
  isUp = false;
  /** Somebody else listens at its address while it is down. */
  isReplacedByStranger = false;
  /** Its memory and its connections are of one run. */
  generation = 0;
  readonly calls = new Map<ServerId, OwnCall>();
  readonly sessions = new Map<number, Connection>();
  /** Strangers' messages that its intake dropped. */
  dropped = 0;
  /** Warnings that people were told, by reason. */
  readonly warnings = new Set<string>();
  #saved: SavedServer | undefined;
  #intake: Intake | undefined;
  #wakeAtMs = Infinity;
  #ownCheckedAtMs = -Infinity;

  constructor(world: World, { index, name, saved }: ServerMachine, config: ServerConfig) {
    this.world = world;
    this.name = name;
    this.id = `hcsp:${name.padEnd(22, '0')}`;
    this.host = `${name}.${index}`;
    this.address = { ip: '10.0.0.1', port: index + 1 };
    this.config = config;
    this.#saved = saved;
    this.state = this.#create();
  }

  get saved(): SavedServer | undefined {
    return this.#saved;
  }

  /** @param clockMs what its clock is wrong by */
  start(clockMs = 0): void {
    if (this.isUp) return;
    this.isUp = true;
    this.isReplacedByStranger = false;
    this.generation += 1;
    this.state = this.#create();
    this.#wakeAtMs = Infinity;
    this.tell({ kind: 'start', unixMs: this.world.unixMs + clockMs });
  }

  /** @param hasPower a process that dies closes its connections; a machine does not */
  crash(hasPower: boolean): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.generation += 1;
    for (const connection of this.sessions.values()) {
      connection.isServerGone = true;
      if (hasPower) connection.resetFromServer();
    }
    this.sessions.clear();
    this.calls.clear();
    for (const other of this.world.servers) if (hasPower) other.noteReset(this);
  }

  /** The disk is lost too: it starts as one that never was. */
  forgetSaved(): void {
    if (!this.isUp) this.#saved = undefined;
  }

  tell(event: ServerEvent): readonly ServerEffect[] {
    if (!this.isUp) return [];
    const isNew = event.kind === 'hello' && !this.state.clients.has(event.connect.from);
    const effects = step(this.state, event, this.now);
    for (const effect of effects) this.#apply(effect, isNew);
    this.world.checkServer(this);
    return effects;
  }

  /** A change of configuration, running or not. */
  configure(change: Partial<ServerConfig>): void {
    this.config = { ...this.config, ...change };
    this.tell({ kind: 'configure', config: this.config });
  }

  /** The peer's process ended: its side of our call is closed. */
  noteReset(peer: VirtualServer): void {
    const call = this.calls.get(peer.id);
    if (!this.isUp || call?.state !== 'open' || call.peer !== peer) return;
    if (!this.world.network.isOpen(this.host, peer.host)) return;
    const { generation } = this;
    this.world.network.time.after(this.world.network.delayMs(), () => {
      if (this.generation === generation && call.peer === peer) this.#lose(peer.id, 'closed');
    });
  }

  /** Once a second: a call whose peer is silent for 3 s is lost. */
  watchLinks(): void {
    if (!this.isUp) return;
    for (const [id, call] of this.calls) {
      if (call.state !== 'open') continue;
      const { peer } = call;
      const isAlive =
        peer?.isUp === true &&
        peer.generation === call.generation &&
        this.world.network.isOpen(this.host, peer.host);
      if (isAlive) call.silentSinceMs = this.now;
      else if (this.now - call.silentSinceMs >= linkSilenceMs) this.#lose(id, 'silent');
    }
  }

  /** Whom our own call has reached. */
  linkedPeer(id: ServerId): VirtualServer | undefined {
    const call = this.calls.get(id);
    return call?.state === 'open' ? call.peer : undefined;
  }

  /** What we say of ourselves, last. */
  subscribe(): Subscribe | undefined {
    const { last } = this.state.announcing;
    return last === undefined
      ? undefined
      : { kind: 'subscribe', to: 'ab:*', from: { id: this.id, address: this.address }, also: [], ...last };
  }

  get now(): number {
    return this.world.network.time.nowMs;
  }

  #create(): ServerState {
    const { random } = this.world.network;
    const saved = this.#saved === undefined ? {} : { saved: this.#saved };
    return createServerState({ id: this.id, name: this.name, config: this.config, random, ...saved });
  }

  // oxlint-disable-next-line complexity -- one line an effect
  #apply(effect: ServerEffect, isNew: boolean): void {
    switch (effect.kind) {
      case 'announce':
        this.#announce(effect.onLinks);
        return;
      case 'call':
        this.#call(effect.id, effect.endpoints);
        return;
      case 'welcome':
        this.#welcome(effect.session, isNew);
        return;
      case 'bye':
        this.#bye(effect);
        return;
      case 'redirect':
        this.#redirect(effect.sessions, effect.redirect);
        return;
      case 'peers':
        this.#say(effect.session, { kind: 'peers', servers: effect.servers });
        return;
      case 'wake':
        this.#wake(effect.atMs);
        return;
      case 'save':
        this.#saved = effect.saved;
        return;
      case 'finished':
        this.world.network.time.after(0, () => this.crash(true));
        return;
      case 'forget':
        this.calls.delete(effect.id);
        return;
      case 'tell':
        if (effect.event.event === 'warning') this.warnings.add(effect.event.reason);
        return;
      case 'serves':
      case 'dropped':
      case 'linkedLeafs':
    }
  }

  #announce(onLinks: boolean): void {
    const subscribe = this.subscribe();
    if (subscribe === undefined) return;
    this.world.noteAnnouncement(this, subscribe);
    for (const other of this.world.servers) {
      if (other === this) continue;
      this.world.network.throwAt(this.host, other.host, () => other.hearDatagram(subscribe, this));
      if (onLinks) this.#sayOnLinks(other, subscribe);
    }
  }

  #sayOnLinks(other: VirtualServer, subscribe: Subscribe): void {
    const theirs = other.calls.get(this.id);
    if (theirs?.peer === this && theirs.state === 'open' && theirs.generation === this.generation)
      theirs.pipe?.send(() => other.hear(subscribe, 'link'));
    const own = this.calls.get(other.id);
    if (own?.peer === other && own.state === 'open' && own.generation === other.generation)
      this.#sayOnCall(other, subscribe);
  }

  /** Our line on our own call; in no order with those on the other link. */
  #sayOnCall(peer: VirtualServer, subscribe: Subscribe): void {
    const { generation } = peer;
    this.world.network.time.after(this.world.network.delayMs(), () => {
      const isOpen = this.world.network.isOpen(this.host, peer.host) && peer.generation === generation;
      if (isOpen && this.linkedPeer(peer.id) === peer) peer.hear(subscribe, 'link');
    });
  }

  /** As the intake does: what links say is not heard by multicast as well, and our own key is a reason to warn. */
  hearDatagram(subscribe: Subscribe, sender: VirtualServer): readonly ServerEffect[] {
    if (subscribe.from.id === this.id) return sender === this ? [] : this.#hearOwn();
    if (this.state.peers.get(subscribe.from.id)?.isLinked === true) return [];
    return this.hear(subscribe, 'multicast');
  }

  #hearOwn(): readonly ServerEffect[] {
    if (this.now < this.#ownCheckedAtMs + ownCheckMs) return [];
    this.#ownCheckedAtMs = this.now;
    return this.tell({ kind: 'ownMessage', detail: 'somebody has our key' });
  }

  hear(subscribe: Subscribe, via: 'multicast' | 'link'): readonly ServerEffect[] {
    const name = this.world.nameOf(subscribe.from.id);
    return this.tell({ kind: 'heard', subscribe, name, spkiSha256: name, via });
  }

  /** I1: what a stranger sends ends at the intake, and the core is never told. */
  hearStranger({ bytes, trust, unixMs }: StrangerMessage): void {
    if (!this.isUp) return;
    const intake = (this.#intake ??= new Intake({
      ownSpkiSha256: this.name,
      random: this.world.network.random,
    }));
    const offered = intake.offer(bytes, '10.0.0.66', this.now);
    for (const result of [offered ?? [], intake.take(this.now + 20, unixMs, trust)].flat()) {
      if (result.kind === 'dropped') this.dropped += 1;
      else this.world.fail(`I1: ${this.host} takes a stranger's message for ${result.kind}`);
    }
  }

  #call(id: ServerId, endpoints: readonly Endpoint[]): void {
    const idle = { state: 'idle', endpoints, peer: undefined, pipe: undefined } as const;
    const call: OwnCall = this.calls.get(id) ?? { ...idle, generation: 0, silentSinceMs: 0 };
    call.endpoints = endpoints;
    this.calls.set(id, call);
    if (call.state === 'idle') this.#dial(id, call, 5);
  }

  #dial(id: ServerId, call: OwnCall, delayMs: number): void {
    const { network } = this.world;
    const { generation } = this;
    call.state = 'calling';
    network.time.after(delayMs + 2 * network.delayMs(), () => {
      if (this.generation !== generation || this.calls.get(id) !== call || call.state !== 'calling') return;
      const peer = this.#findPeer(id, call.endpoints);
      if (peer === undefined) this.#dial(id, call, 500 + network.random() * 1000);
      else this.#open(id, call, peer);
    });
  }

  /** I2: whoever answers there with another certificate is not whom we called. */
  #findPeer(id: ServerId, endpoints: readonly Endpoint[]): VirtualServer | undefined {
    return endpoints
      .flatMap((endpoint) => this.world.serverAt(endpoint) ?? [])
      .find((peer) => {
        const isThere = peer.isUp && peer.subscribe() !== undefined && peer.id === id;
        return isThere && this.world.network.isOpen(this.host, peer.host);
      });
  }

  #open(id: ServerId, call: OwnCall, peer: VirtualServer): void {
    const pipe = new Pipe(this.world.network, peer.host, this.host);
    const { generation } = peer;
    Object.assign(call, { state: 'open', peer, generation, silentSinceMs: this.now, pipe });
    const [own, theirs] = [this.subscribe(), peer.subscribe()];
    if (own !== undefined) peer.hear(own, 'link');
    if (theirs !== undefined) this.hear(theirs, 'link');
    this.tell({ kind: 'linked', id, name: peer.name, address: peer.address });
  }

  #lose(id: ServerId, reason: string): void {
    const call = this.calls.get(id);
    if (call === undefined || call.state !== 'open') return;
    if (call.pipe !== undefined) call.pipe.isClosed = true;
    Object.assign(call, { state: 'idle', peer: undefined, pipe: undefined });
    this.tell({ kind: 'unlinked', id, reason });
    if (this.isUp) this.#dial(id, call, 500 + this.world.network.random() * 1000);
  }

  #welcome(session: number, isNew: boolean): void {
    const connection = this.sessions.get(session);
    if (connection === undefined) return;
    if (isNew) this.world.checkWelcome(this, connection.client.id);
    connection.isWelcomed = true;
    connection.sayToClient((client, own) =>
      client.tell({ kind: 'welcomed', session: own, id: this.id, name: this.name }),
    );
  }

  #bye({ session, reason, term }: Extract<ServerEffect, { kind: 'bye' }>): void {
    const connection = this.sessions.get(session);
    if (connection === undefined) return;
    this.sessions.delete(session);
    connection.isServerGone = true;
    connection.sayToClient((client, own) => {
      client.tell({ kind: 'bye', session: own, reason, ...(term === undefined ? {} : { term }) });
    });
  }

  #redirect(sessions: readonly number[], redirect: Redirect): void {
    this.world.checkRedirect(this, redirect.target.id);
    for (const session of sessions) this.#say(session, redirect);
  }

  #say(session: number, document: Extract<HospDocument, { kind: 'redirect' | 'peers' }>): void {
    this.sessions.get(session)?.sayToClient((client, own) => {
      if (document.kind === 'peers') client.tell({ kind: 'peers', session: own, servers: document.servers });
      else client.tell({ kind: 'redirect', session: own, redirect: document });
    });
  }

  /** The last wake replaces the ones before. */
  #wake(atMs: number): void {
    this.#wakeAtMs = atMs;
    const { generation } = this;
    this.world.network.time.at(atMs, () => {
      if (this.generation === generation && this.#wakeAtMs === atMs) this.tell({ kind: 'tick' });
    });
  }
}
