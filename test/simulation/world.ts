/** A home in virtual time: real cores, a hostile network, and the invariants after every step. */
import { defaultClientConfig } from '../../agent/client/core-events.ts';
import { currentSession } from '../../agent/client/core-state.ts';
import { nextTerm } from '../../agent/client/core.ts';
import { isLater } from '../../protocol/announcement-order.ts';
import type { ServerConfig, ServerEffect } from '../../agent/server/core-events.ts';
import type { Subscribe } from '../../protocol/documents.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import type { ClientId, ServerId } from '../../protocol/identifiers.ts';
import { Connection } from './connection.ts';
import { Network } from './network.ts';
import { VirtualClient } from './virtual-client.ts';
import { VirtualServer } from './virtual-server.ts';

export type ClientWishes = Partial<
  Pick<VirtualClient['state']['config'], 'requires' | 'weights' | 'mode' | 'order'>
>;

interface Played {
  readonly subscribe: Subscribe;
  readonly sender: VirtualServer;
}

const startUnixMs = 1_700_000_000_000;
const maxPlayed = 500;
const linkWatchMs = 1000;
/** What a message that moves nobody may make a server do: it introduces, and is written down. */
const harmless: ReadonlySet<ServerEffect['kind']> = new Set([
  'call',
  'forget',
  'tell',
  'wake',
  'save',
  'dropped',
]);

export class World {
  readonly network: Network;
  readonly servers: VirtualServer[] = [];
  /** Each start of each client; those that ended too. */
  readonly clients: VirtualClient[] = [];
  readonly failures: string[] = [];
  readonly #announced: Played[] = [];
  readonly #terms = new Map<string, number>();
  /** Nothing happens any more but what the parts do by themselves. */
  isQuiet = false;
  #sessions = 0;

  constructor(random: () => number) {
    this.network = new Network(random);
    this.#watch();
  }

  addServer(config: Partial<ServerConfig>): VirtualServer {
    const index = this.servers.length;
    const machine = { index, name: `S${nameOf(index)}` };
    const server = new VirtualServer(this, machine, {
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
    this.servers.push(server);
    return server;
  }

  /** Another machine with the state folder and the key of `server`. */
  cloneServer({ name, saved, config }: VirtualServer): VirtualServer {
    const machine = { index: this.servers.length, name, ...(saved === undefined ? {} : { saved }) };
    const clone = new VirtualServer(this, machine, config);
    this.servers.push(clone);
    return clone;
  }

  addClient(wishes: ClientWishes = {}): VirtualClient {
    const host = `c${String(this.clients.length).padStart(3, '0')}`;
    const config = { ...defaultClientConfig, name: `default/${host}`, ...wishes };
    return this.#startClient({ config, host, spkiSha256: host, term: this.#nextTerm(host, 0) });
  }

  /** The client's process starts anew on its machine, whatever the clock says. */
  restartClient(client: VirtualClient, clockMs = 0): VirtualClient {
    const { host, spkiSha256, state } = client;
    const term = this.#nextTerm(host, clockMs);
    return this.#startClient({ config: state.config, host, spkiSha256, term });
  }

  /**
   * Another machine with the state folder of `client`.
   *
   * @param term of the copy where it is no new one: a machine that was copied while it ran
   */
  cloneClient(
    client: VirtualClient,
    how: { readonly term?: number; readonly isNewKey?: boolean } = {},
  ): VirtualClient {
    const host = `${client.host}.${this.clients.length}`;
    this.#terms.set(host, client.state.term);
    const term = how.term ?? this.#nextTerm(host, 0);
    const spkiSha256 = how.isNewKey === true ? host : client.spkiSha256;
    return this.#startClient({ config: client.state.config, host, spkiSha256, term });
  }

  #startClient(startup: ConstructorParameters<typeof VirtualClient>[1]): VirtualClient {
    const client = new VirtualClient(this, startup);
    this.clients.push(client);
    return client;
  }

  #nextTerm(host: string, clockMs: number): number {
    const term = nextTerm(this.#terms.get(host) ?? 0, this.unixMs + clockMs);
    this.#terms.set(host, term);
    return term;
  }

  get unixMs(): number {
    return startUnixMs + this.network.time.nowMs;
  }

  get running(): readonly VirtualClient[] {
    return this.clients.filter(({ isStopped }) => !isStopped);
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

  serverAt({ port }: Endpoint): VirtualServer | undefined {
    return this.servers[port - 1];
  }

  nameOf(id: ServerId): string {
    return this.servers.find((server) => server.id === id)?.name ?? id;
  }

  noteAnnouncement(sender: VirtualServer, subscribe: Subscribe): void {
    this.#announced.push({ subscribe, sender });
    if (this.#announced.length > maxPlayed) this.#announced.shift();
  }

  /** I3: somebody plays an old announcement to everybody. */
  replay(): void {
    const played = this.#announced[Math.floor(this.network.random() * this.#announced.length)];
    if (played === undefined) return;
    for (const server of this.servers) if (server.isUp) this.#play(server, played);
  }

  #play(server: VirtualServer, { subscribe, sender }: Played): void {
    const before = digestOf(server);
    const isNews = isLater(subscribe.order, server.state.peers.get(subscribe.from.id)?.order);
    const effects = server.hearDatagram(subscribe, sender);
    const wrong = effects.find(({ kind }) => !harmless.has(kind));
    if (wrong !== undefined) this.fail(`I3: a played message made ${server.host} ${wrong.kind}`);
    if (!isNews && digestOf(server) !== before) this.fail(`I3: a played message changed ${server.host}`);
  }

  fail(message: string): void {
    if (this.failures.length < 10)
      this.failures.push(`at ${this.network.time.nowMs.toFixed(0)} ms: ${message}`);
  }

  /** I5 */
  checkWelcome(server: VirtualServer, client: ClientId): void {
    const { clients, config } = server.state;
    if (clients.size > config.max)
      this.fail(`I5: ${server.host} welcomed ${client} as number ${clients.size} of ${config.max}`);
  }

  /** I1, I2: nobody is sent to a server that our own call has not reached. */
  checkRedirect(server: VirtualServer, target: ServerId): void {
    const isConfirmed = server.state.peers.get(target)?.isLinked === true;
    if (!isConfirmed || server.linkedPeer(target) === undefined || target === server.id)
      this.fail(`I1: ${server.host} redirects to ${target}, whom it has not confirmed`);
  }

  checkServer(server: VirtualServer): void {
    const { clients, clientOfSession } = server.state;
    let sessions = 0;
    for (const client of clients.values()) {
      sessions += client.sessions.size;
      if (client.sessions.size === 0) this.fail(`${server.host} has a client without a session`);
    }
    if (sessions !== clientOfSession.size) this.fail(`${server.host} has sessions of nobody`);
  }

  /** I2 and I4 */
  checkClient({ state, host }: VirtualClient): void {
    const count = { dialing: 0, welcomed: 0, begun: 0, ended: 0 };
    for (const { stage, server, candidate } of state.sessions.values()) {
      count[stage] += 1;
      const isOther = server !== undefined && candidate.id !== undefined && server.id !== candidate.id;
      if (isOther) this.fail(`I2: ${host} takes ${server.id} for ${candidate.id}`);
    }
    if (count.begun > 1) this.fail(`I4: ${host} has ${count.begun} sessions that have begun`);
    if (count.welcomed > 1) this.fail(`I4: ${host} has ${count.welcomed} sessions that wait for their begin`);
    const isServed = currentSession(state) !== undefined;
    if (isServed && count.dialing + count.welcomed > 1) this.fail(`I4: ${host} dials two besides its server`);
  }

  /** I8: the ring never held too few bytes in this world, so nothing may be given up. */
  checkFreed(client: VirtualClient, upTo: number): void {
    const gap = client.safe.firstGapBelow(upTo);
    if (gap !== undefined) this.fail(`I8: ${client.host} forgot ${upTo} and byte ${gap} is nowhere`);
    if (client.state.bytesLost > 0) this.fail(`I8: ${client.host} lost ${client.state.bytesLost} bytes`);
  }

  /** Only for a later start of itself, or a copy, does a client end. */
  checkStop(client: VirtualClient, reason: string): void {
    const isReplaced = this.clients.some(
      (other) => other !== client && other.id === client.id && other.state.term >= client.state.term,
    );
    if (reason !== 'replaced' || !isReplaced) this.fail(`${client.host} stopped: ${reason}`);
  }

  #watch(): void {
    this.network.time.after(linkWatchMs, () => {
      for (const server of this.servers) server.watchLinks();
      this.#watch();
    });
  }
}

/** A to Z, then with a number. */
function nameOf(index: number): string {
  const letter = String.fromCodePoint(65 + (index % 26));
  return index < 26 ? letter : `${letter}${Math.floor(index / 26)}`;
}

/** All of a server that may decide something. */
function digestOf({ state }: VirtualServer): string {
  const { peers, clients, refusals, missing, config } = state;
  const facts = [...clients.values()].map(({ sessions, ...client }) => [client, [...sessions.values()]]);
  return JSON.stringify([[...peers.values()], facts, [...refusals], [...missing], config.max]);
}
