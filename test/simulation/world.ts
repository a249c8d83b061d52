/** A home in virtual time: real cores, a hostile network, and the invariants after every step. */
import { defaultClientConfig } from '../../agent/client/core-events.ts';
import type { ServerConfig } from '../../agent/server/core-events.ts';
import { isDraining, liveFeatures } from '../../agent/server/core-state.ts';
import type { Subscribe } from '../../protocol/documents.ts';
import type { ClientId, ServerId } from '../../protocol/identifiers.ts';
import { compareServers, hasRequired } from '../../protocol/ranking.ts';
import { Network, type Pipe } from './network.ts';
import { VirtualClient, newPipes } from './virtual-client.ts';
import { VirtualServer } from './virtual-server.ts';

export type ClientWishes = Partial<
  Pick<VirtualClient['state']['config'], 'requires' | 'weights' | 'mode' | 'order'>
>;

/** A session as both ends see it. */
export class Connection {
  readonly number: number;
  readonly client: VirtualClient;
  readonly server: VirtualServer;
  readonly #ofClient: number;
  readonly #world: World;
  readonly #toServer: Pipe;
  readonly #toClient: Pipe;
  isWelcomed = false;
  isServerGone = false;
  isClientGone = false;
  #expected = 0;
  #durable = 0;
  #isSyncing = false;
  #lastFrameMs: number;

  constructor(world: World, client: VirtualClient, ofClient: number, server: VirtualServer) {
    this.number = world.nextSession();
    this.client = client;
    this.server = server;
    this.#ofClient = ofClient;
    this.#world = world;
    [this.#toServer, this.#toClient] = newPipes(world, client, server);
    this.#lastFrameMs = world.network.time.nowMs;
    this.#beat();
  }

  sayToClient(deliver: (client: VirtualClient, session: number) => void): void {
    this.#toClient.send(() => {
      if (!this.isClientGone) deliver(this.client, this.#ofClient);
    });
  }

  sayToServer(deliver: (connection: Connection) => void): void {
    this.#toServer.send(() => {
      this.#lastFrameMs = this.#world.network.time.nowMs;
      if (!this.isServerGone) deliver(this);
    });
  }

  resetFromServer(): void {
    this.sayToClient((client, session) =>
      client.tell({ kind: 'closed', session, how: 'reset', detail: 'reset' }),
    );
  }

  takeBegin(offset: number): void {
    if (offset !== this.#expected || this.#durable === 0) this.#durable = offset;
    this.#expected = offset;
    this.server.tell({ kind: 'begun', session: this.number });
  }

  takeBytes(from: number, to: number): void {
    if (from !== this.#expected)
      this.#world.fail(`${this.server.name} expected ${this.#expected} and got ${from}`);
    this.#expected = to;
    this.#syncSoon(300 + this.#world.network.random() * 300);
  }

  takeEnd(): void {
    this.server.tell({ kind: 'ended', session: this.number });
    this.#syncSoon(20);
  }

  takeFin(): void {
    this.isServerGone = true;
    this.server.sessions.delete(this.number);
    this.server.tell({ kind: 'gone', session: this.number, reason: 'fin' });
  }

  #syncSoon(delayMs: number): void {
    if (this.#isSyncing && delayMs > 100) return;
    this.#isSyncing = true;
    this.#world.network.time.after(delayMs, () => {
      this.#isSyncing = false;
      if (this.isServerGone) return;
      this.client.safe.add(this.#durable, this.#expected);
      this.#durable = this.#expected;
      this.#ack();
    });
  }

  #ack(): void {
    const [received, durable] = [this.#expected, this.#durable];
    this.sayToClient((client, session) => client.tell({ kind: 'acked', session, received, durable }));
  }

  /** A line each second, and 10 s without a frame are the end; a client that lives pings. */
  #beat(): void {
    this.#world.network.time.after(this.#world.isQuiet ? 2500 : 1000, () => {
      if (this.isServerGone) return;
      const { network } = this.#world;
      const { nowMs } = network.time;
      if (!this.isClientGone && network.isOpen(this.client.id, this.server.id)) this.#lastFrameMs = nowMs;
      if (nowMs - this.#lastFrameMs >= 10_000) {
        this.takeFin();
        return;
      }
      if (this.isWelcomed) this.#ack();
      this.#beat();
    });
  }
}

export class World {
  readonly network: Network;
  readonly servers = new Map<ServerId, VirtualServer>();
  readonly clients: VirtualClient[] = [];
  readonly failures: string[] = [];
  readonly announced: Subscribe[] = [];
  isQuiet = false;
  #sessions = 0;

  constructor(random: () => number) {
    this.network = new Network(random);
    this.#watch();
  }

  addServer(config: Partial<ServerConfig>): VirtualServer {
    const server = new VirtualServer(this, this.servers.size, {
      features: [],
      max: 16,
      intervalMs: 10_000,
      isDrained: false,
      suspendedClients: new Set(),
      listenPort: 17_320,
      isAnnounced: true,
      interfaces: [],
      excludeInterfaces: [],
      peers: [],
      ...config,
    });
    this.servers.set(server.id, server);
    return server;
  }

  addClient(wishes: ClientWishes = {}): VirtualClient {
    const name = `default/c${String(this.clients.length).padStart(2, '0')}`;
    const client = new VirtualClient(this, this.clients.length, { ...defaultClientConfig, name, ...wishes });
    this.clients.push(client);
    return client;
  }

  run(forMs: number): void {
    this.network.time.runUntil(this.network.time.nowMs + forMs);
  }

  connect(client: VirtualClient, session: number, server: VirtualServer): Connection {
    const connection = new Connection(this, client, session, server);
    client.connections.set(session, connection);
    server.sessions.set(connection.number, connection);
    return connection;
  }

  nextSession(): number {
    this.#sessions += 1;
    return this.#sessions;
  }

  nameOf(id: ServerId): string {
    return this.servers.get(id)?.name ?? id;
  }

  noteAnnouncement(subscribe: Subscribe): void {
    this.announced.push(subscribe);
    if (this.announced.length > 500) this.announced.shift();
  }

  /** I3: somebody plays an old announcement to everybody. */
  replay(): void {
    const subscribe = this.announced[Math.floor(this.network.random() * this.announced.length)];
    if (subscribe === undefined) return;
    for (const server of this.servers.values()) {
      if (server.id !== subscribe.from.id) server.hearDatagram(subscribe);
    }
  }

  fail(message: string): void {
    if (this.failures.length < 10)
      this.failures.push(`at ${this.network.time.nowMs.toFixed(0)} ms: ${message}`);
  }

  /** I5 */
  checkWelcome(server: VirtualServer, client: ClientId, before: ReadonlySet<string>): void {
    const { clients, config } = server.state;
    if (!before.has(client) && clients.size > config.max) {
      this.fail(`I5: ${server.name} welcomed ${client} as number ${clients.size} of ${config.max}`);
    }
  }

  checkServer(server: VirtualServer): void {
    const places = new Set(server.state.clientOfSession.values());
    if (places.size !== server.state.clients.size) this.fail(`${server.name} has a client without a session`);
  }

  /** I4 */
  checkClient(client: VirtualClient): void {
    const stages = [...client.state.sessions.values()].map(({ stage }) => stage);
    const begun = stages.filter((stage) => stage === 'begun').length;
    if (begun > 1) this.fail(`I4: ${client.id} has ${begun} sessions that have begun`);
  }

  /** I8: the ring never held too few bytes in this world, so nothing may be given up. */
  checkFreed(client: VirtualClient, upTo: number): void {
    const gap = client.safe.firstGapBelow(upTo);
    if (gap !== undefined) this.fail(`I8: ${client.id} forgot ${upTo} and byte ${gap} is nowhere`);
    if (client.state.bytesLost > 0) this.fail(`I8: ${client.id} lost ${client.state.bytesLost} bytes`);
  }

  /** I6: who could be on a better server that has room, with everybody's true state. */
  misplaced(): readonly string[] {
    return this.clients.flatMap((client) => this.#findBetter(client) ?? []);
  }

  #findBetter(client: VirtualClient): string | undefined {
    const { server } = client;
    const reachable = [...this.servers.values()].filter((other) => this.#isOpenFor(client, other));
    if (server === undefined) return reachable.length > 0 ? `${client.id} has no server` : undefined;
    const { requires, weights, mode } = client.state.config;
    const others = reachable.filter(
      (other) =>
        other !== server &&
        this.network.isOpen(server.id, other.id) &&
        hasRequired(liveFeatures(other.state), requires),
    );
    const isWithin = this.#placeOf(client, server) < server.config.max;
    const isEligible =
      !isDraining(server.state) && isWithin && hasRequired(liveFeatures(server.state), requires);
    const better = others.find((other) => {
      if (!isEligible) return true;
      if (mode === 'AnyValid') return other.state.announcing.boot > server.state.announcing.boot;
      return compareServers(rank(other), rank(server), weights) < 0;
    });
    return better === undefined ? undefined : `${client.id} on ${server.name} and not on ${better.name}`;
  }

  #isOpenFor(client: VirtualClient, server: VirtualServer): boolean {
    const hasRoom = server.state.clients.size < server.config.max;
    return server.isUp && !isDraining(server.state) && hasRoom && this.network.isOpen(client.id, server.id);
  }

  #placeOf(client: VirtualClient, server: VirtualServer): number {
    return [...server.state.clients.keys()].toSorted().indexOf(client.id);
  }

  #watch(): void {
    this.network.time.after(1000, () => {
      for (const server of this.servers.values()) server.watchLinks();
      this.#watch();
    });
  }
}

function rank({ state }: VirtualServer) {
  return { id: state.id, features: liveFeatures(state), max: state.config.max, boot: state.announcing.boot };
}
