/** A virtual machine that runs the real server core: its links, its sessions, and a disk that survives it. */
import type { ServerConfig, ServerEffect, ServerEvent, SavedServer } from '../../agent/server/core-events.ts';
import type { ServerState } from '../../agent/server/core-state.ts';
import { createServerState, step } from '../../agent/server/core.ts';
import type { HospDocument, Subscribe } from '../../protocol/documents.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
import { Pipe } from './network.ts';
import type { Connection, World } from './world.ts';

/** Our own call to a peer. */
interface OwnCall {
  state: 'idle' | 'calling' | 'open';
  /** Of the peer's run that it reached. */
  generation: number;
  silentSinceMs: number;
  pipe: Pipe | undefined;
}

export class VirtualServer {
  readonly world: World;
  readonly id: ServerId;
  readonly name: string;
  readonly address: Endpoint;
  config: ServerConfig;
  state: ServerState;
  isUp = false;
  /** Its memory and its connections are of one run. */
  generation = 0;
  readonly calls = new Map<ServerId, OwnCall>();
  readonly sessions = new Map<number, Connection>();
  #saved: SavedServer | undefined;
  #wakeAtMs = Infinity;

  constructor(world: World, index: number, config: ServerConfig) {
    this.world = world;
    this.name = `S${String.fromCodePoint(65 + index)}`;
    this.id = `hcsp:${this.name.padEnd(22, '0')}`;
    this.address = { ip: '10.0.0.1', port: index + 1 };
    this.config = config;
    this.state = this.#create();
  }

  /** @param clockMs what its clock is wrong by */
  start(clockMs = 0): void {
    if (this.isUp) return;
    this.isUp = true;
    this.generation += 1;
    this.state = this.#create();
    this.#wakeAtMs = Infinity;
    this.tell({ kind: 'start', unixMs: 1_700_000_000_000 + this.now + clockMs });
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
    for (const call of this.calls.values()) Object.assign(call, { state: 'idle', pipe: undefined });
    for (const other of this.world.servers.values()) if (hasPower) other.noteReset(this.id);
  }

  tell(event: ServerEvent): void {
    if (!this.isUp) return;
    const before = new Set(this.state.clients.keys());
    for (const effect of step(this.state, event, this.now)) this.#apply(effect, before);
    this.world.checkServer(this);
  }

  /** A change of configuration, running or not. */
  configure(change: Partial<ServerConfig>): void {
    this.config = { ...this.config, ...change };
    this.tell({ kind: 'configure', config: this.config });
  }

  /** The peer's process ended: its side of our call is closed. */
  noteReset(id: ServerId): void {
    if (!this.isUp || this.calls.get(id)?.state !== 'open' || !this.world.network.isOpen(this.id, id)) return;
    const { generation } = this;
    this.world.network.time.after(this.world.network.delayMs(), () => {
      if (this.generation === generation) this.#lose(id, 'closed');
    });
  }

  /** Once a second: a call whose peer is silent for 3 s is lost. */
  watchLinks(): void {
    if (!this.isUp) return;
    for (const [id, call] of this.calls) {
      if (call.state !== 'open') continue;
      const peer = this.world.servers.get(id);
      const isAlive =
        peer?.isUp === true && peer.generation === call.generation && this.world.network.isOpen(this.id, id);
      if (isAlive) call.silentSinceMs = this.now;
      else if (this.now - call.silentSinceMs >= 3000) this.#lose(id, 'silent');
    }
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
  #apply(effect: ServerEffect, before: ReadonlySet<string>): void {
    switch (effect.kind) {
      case 'announce':
        this.#announce(effect.onLinks);
        return;
      case 'call':
        this.#call(effect.id);
        return;
      case 'welcome':
        this.#welcome(effect.session, before);
        return;
      case 'bye':
        this.#bye(effect);
        return;
      case 'redirect':
        for (const session of effect.sessions) this.#say(session, effect.redirect);
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
      case 'serves':
      case 'dropped':
      case 'linkedLeafs':
    }
  }

  #announce(onLinks: boolean): void {
    const subscribe = this.subscribe();
    if (subscribe === undefined) return;
    this.world.noteAnnouncement(subscribe);
    for (const other of this.world.servers.values()) {
      if (other === this) continue;
      this.world.network.throwAt(this.id, other.id, () => other.hearDatagram(subscribe));
      if (onLinks) this.#sayOnLinks(other, subscribe);
    }
  }

  #sayOnLinks(other: VirtualServer, subscribe: Subscribe): void {
    const theirs = other.calls.get(this.id);
    if (theirs?.state === 'open' && theirs.generation === this.generation) this.#sayOnLink(other, theirs);
    const own = this.calls.get(other.id);
    if (own?.state === 'open' && own.generation === other.generation) this.#sayOnCall(other, subscribe);
  }

  /** Our line on the link that the peer called. */
  #sayOnLink(caller: VirtualServer, call: OwnCall): void {
    const subscribe = this.subscribe();
    if (subscribe === undefined) return;
    call.pipe?.send(() => caller.hear(subscribe, 'link'));
  }

  /** Our line on our own call; in no order with those on the other link. */
  #sayOnCall(peer: VirtualServer, subscribe: Subscribe): void {
    const { generation } = peer;
    this.world.network.time.after(this.world.network.delayMs(), () => {
      const isOpen = this.world.network.isOpen(this.id, peer.id) && peer.generation === generation;
      if (isOpen && this.calls.get(peer.id)?.state === 'open') peer.hear(subscribe, 'link');
    });
  }

  /** As the intake does: what links say is not heard by multicast as well. */
  hearDatagram(subscribe: Subscribe): void {
    if (this.state.peers.get(subscribe.from.id)?.isLinked !== true) this.hear(subscribe, 'multicast');
  }

  hear(subscribe: Subscribe, via: 'multicast' | 'link'): void {
    const name = this.world.nameOf(subscribe.from.id);
    this.tell({ kind: 'heard', subscribe, name, spkiSha256: name, via });
  }

  #call(id: ServerId): void {
    const call = this.calls.get(id) ?? { state: 'idle', generation: 0, silentSinceMs: 0, pipe: undefined };
    this.calls.set(id, call);
    if (call.state === 'idle') this.#dial(id, call, 5);
  }

  #dial(id: ServerId, call: OwnCall, delayMs: number): void {
    const { network, servers } = this.world;
    const { generation } = this;
    call.state = 'calling';
    network.time.after(delayMs + 2 * network.delayMs(), () => {
      if (this.generation !== generation || this.calls.get(id) !== call || call.state !== 'calling') return;
      const peer = servers.get(id);
      const subscribe = peer?.subscribe();
      if (peer === undefined || !peer.isUp || subscribe === undefined || !network.isOpen(this.id, id)) {
        this.#dial(id, call, 500 + network.random() * 1000);
        return;
      }
      const pipe = new Pipe(network, id, this.id);
      Object.assign(call, { state: 'open', generation: peer.generation, silentSinceMs: this.now, pipe });
      const own = this.subscribe();
      if (own !== undefined) peer.hear(own, 'link');
      this.hear(subscribe, 'link');
      this.tell({ kind: 'linked', id, name: peer.name, address: peer.address });
    });
  }

  #lose(id: ServerId, reason: string): void {
    const call = this.calls.get(id);
    if (call === undefined || call.state !== 'open') return;
    if (call.pipe !== undefined) call.pipe.isClosed = true;
    Object.assign(call, { state: 'idle', pipe: undefined });
    this.tell({ kind: 'unlinked', id, reason });
    if (this.isUp) this.#dial(id, call, 500 + this.world.network.random() * 1000);
  }

  #welcome(session: number, before: ReadonlySet<string>): void {
    const connection = this.sessions.get(session);
    if (connection === undefined) return;
    this.world.checkWelcome(this, connection.client.id, before);
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
