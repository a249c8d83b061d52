/** A virtual camera with the real client core: a source that makes bytes, and connections that carry them. */
import type { ClientConfig, ClientEffect, ClientEvent } from '../../agent/client/core-events.ts';
import { type ClientState, currentSession } from '../../agent/client/core-state.ts';
import { createClientState, step } from '../../agent/client/core.ts';
import type { ClientId } from '../../protocol/identifiers.ts';
import type { Mark } from '../../protocol/media/scanner.ts';
import type { Connection } from './connection.ts';
import { Pipe } from './network.ts';
import { Ranges } from './ranges.ts';
import type { VirtualServer } from './virtual-server.ts';
import type { World } from './world.ts';

const produceEveryMs = 500;
const piece = 100;
/** A key frame every second. */
const pieceOfCut = 2;
const pid = 256;
const movesAnHour = 12;
/** An hour, less what a search may take between leaving and beginning. */
const budgetSpanMs = 3_480_000;

/** One start of a client; a copied state folder or a restart is another one with the same identifier. */
export interface ClientStartup {
  readonly config: ClientConfig;
  readonly term: number;
  /** Which machine it runs on. */
  readonly host: string;
  readonly spkiSha256: string;
}

export class VirtualClient {
  readonly world: World;
  readonly id: ClientId;
  readonly host: string;
  readonly spkiSha256: string;
  readonly state: ClientState;
  readonly connections = new Map<number, Connection>();
  /** What is durable somewhere. */
  readonly safe = new Ranges();
  /** When its bytes went to another server, and to which. */
  readonly moves: { readonly atMs: number; readonly to: string; readonly why: string }[] = [];
  /** How often it said that it does not go. */
  refusals = 0;
  isStopped = false;
  /** Everything is durable and nobody says anything but that he lives. Only in a quiet world. */
  isResting = false;
  #produced = 0;
  #isProducing = false;
  readonly #limits = new Map<number, number>();
  readonly #sent = new Map<number, number>();
  #rankMovesMs: readonly number[] = [];
  #wakeAtMs = Infinity;

  constructor(world: World, { config, term, host, spkiSha256 }: ClientStartup) {
    this.world = world;
    this.id = `ab:${config.name.slice('default/'.length).padEnd(22, '0')}`;
    this.host = host;
    this.spkiSha256 = spkiSha256;
    const servers = world.servers.map(({ id, address }) => ({ id, endpoints: [address] }));
    const { random } = world.network;
    for (let left = servers.length - 1; left > 0; left -= 1) {
      const other = Math.floor(random() * (left + 1));
      const [a, b] = [servers[left], servers[other]];
      if (a !== undefined && b !== undefined) [servers[left], servers[other]] = [b, a];
    }
    this.state = createClientState(
      // A world that never stalls: all time is time in which the loop ran.
      { config, term, servers, shareBytes: 1e12, jitter: random(), loopGapMs: 1e12 },
      this.now,
    );
    this.tell({ kind: 'tick' });
    this.#produce(0);
  }

  tell(event: ClientEvent): void {
    if (this.isStopped) return;
    if (this.isResting) this.#wakeUp();
    this.#step(event);
    if (this.world.isQuiet && !this.isResting) this.isResting = this.#canRest();
  }

  #step(event: ClientEvent): void {
    for (const effect of step(this.state, event, this.now)) this.#apply(effect);
    this.world.checkClient(this);
    this.#sendOn();
  }

  /** The process is killed, and with `hasPower` its connections are closed. */
  kill(hasPower: boolean): void {
    this.isStopped = true;
    for (const session of this.connections.keys()) {
      if (hasPower) this.#close(session);
      else this.#cutOff(session);
    }
  }

  /** The server that its bytes go to. */
  get server(): VirtualServer | undefined {
    const { phase } = this.state;
    return 'current' in phase ? this.connections.get(phase.current)?.server : undefined;
  }

  get now(): number {
    return this.world.network.time.nowMs;
  }

  #canRest(): boolean {
    const { phase, sessions, pending } = this.state;
    const current = currentSession(this.state);
    if (phase.name !== 'stream' || current === undefined || sessions.size > 1 || pending !== undefined)
      return false;
    const isSafe = current.durable === this.#produced && current.stage === 'begun';
    return isSafe && this.connections.get(current.id)?.isAtRest === true;
  }

  /** The lines that came while it rested said nothing: the last of them is all that the core would remember. */
  #wakeUp(): void {
    this.isResting = false;
    const current = currentSession(this.state);
    if (current === undefined) return;
    this.connections.get(current.id)?.beat();
    this.#step({ kind: 'alive', session: current.id });
    if (!this.#isProducing) this.#produce(0);
  }

  #produce(count: number): void {
    this.#isProducing = !this.isStopped && !this.isResting;
    if (!this.#isProducing) return;
    this.world.network.time.after(produceEveryMs, () => this.#produce(count + 1));
    // In a quiet world bytes prove nothing new, and an hour of them takes long.
    const { name } = this.state.phase;
    if (this.world.isQuiet && (name === 'stream' || name === 'lost')) return;
    const offset = this.#produced;
    const marks: Mark[] = [{ kind: 'pes', offset, pid, isVideo: true }];
    if (count % pieceOfCut === 0) marks.push({ kind: 'cut', offset, quality: 'idr' });
    this.#produced += piece;
    this.tell({ kind: 'produced', upTo: this.#produced, marks, pids: [pid] });
  }

  // oxlint-disable-next-line complexity -- one line an effect
  #apply(effect: ClientEffect): void {
    switch (effect.kind) {
      case 'dial':
        this.#dial(effect);
        return;
      case 'begin':
        this.#begin(effect);
        return;
      case 'send':
        this.#limits.set(effect.session, effect.upTo);
        return;
      case 'end':
        this.connections.get(effect.session)?.sayToServer((connection) => connection.takeEnd());
        return;
      case 'refused': {
        const { session, kind: _kind, ...refused } = effect;
        this.refusals += 1;
        this.connections.get(session)?.sayToServer(({ server, number }) => {
          server.tell({ kind: 'refused', session: number, refused: { kind: 'refused', ...refused } });
        });
        return;
      }
      case 'close':
        this.#close(effect.session);
        return;
      case 'free':
        this.world.checkFreed(this, effect.upTo);
        return;
      case 'wake':
        this.#wake(effect.atMs);
        return;
      case 'stop':
        this.isStopped = true;
        this.world.checkStop(this, effect.reason);
        return;
      case 'tell':
      case 'remember':
    }
  }

  #dial({ session, endpoints, expectId, hello }: Extract<ClientEffect, { kind: 'dial' }>): void {
    const { network } = this.world;
    network.time.after(3 * network.delayMs(), () => {
      if (this.isStopped || !this.state.sessions.has(session)) return;
      const at = endpoints.flatMap((endpoint) => this.world.serverAt(endpoint) ?? []);
      const open = at.filter(({ host }) => network.isOpen(this.host, host));
      const server = open.find(({ isUp }) => isUp);
      if (server === undefined) this.#missDial(session, open);
      else if (expectId !== undefined && server.id !== expectId) this.#failDial(session, 'untrusted');
      else this.#sayHello(session, server, hello);
    });
  }

  /** Nobody answers, somebody says that nobody is there, or a stranger has the address. */
  #missDial(session: number, open: readonly VirtualServer[]): void {
    if (open.length === 0 || this.world.network.random() < 0.5) return;
    const isStranger = open.some(({ isReplacedByStranger }) => isReplacedByStranger);
    this.#failDial(session, isStranger ? 'untrusted' : 'unreachable');
  }

  #failDial(session: number, reason: 'untrusted' | 'unreachable'): void {
    this.tell({ kind: 'dialFailed', session, reason, detail: reason });
  }

  #sayHello(
    session: number,
    server: VirtualServer,
    hello: Extract<ClientEffect, { kind: 'dial' }>['hello'],
  ): void {
    const { config, term } = this.state;
    const connection = this.world.connect(this, session, server);
    server.tell({
      kind: 'hello',
      session: connection.number,
      name: config.name,
      spkiSha256: this.spkiSha256,
      connect: {
        kind: 'connect',
        to: server.id,
        from: this.id,
        stream: config.stream,
        media: config.media,
        term,
        requires: config.requires,
        weights: config.weights,
        mode: config.mode,
        ...hello,
      },
    });
  }

  #begin({ session, offset }: Extract<ClientEffect, { kind: 'begin' }>): void {
    const connection = this.connections.get(session);
    if (connection === undefined) return;
    const last = this.moves.at(-1);
    const why = this.state.pending?.reason ?? 'loss';
    if (last?.to !== connection.server.host) {
      this.moves.push({ atMs: this.now, to: connection.server.host, why });
      if (why === 'rank') this.#countRankMove();
    }
    this.#sent.set(session, offset);
    connection.sayToServer((one) => one.takeBegin(offset));
  }

  /** I7: a better rank moves nobody more often than the budget says. */
  #countRankMove(): void {
    const before = this.#rankMovesMs.at(-movesAnHour);
    if (before !== undefined && this.now - before < budgetSpanMs)
      this.world.fail(`I7: ${this.host} moved for rank ${movesAnHour + 1} times within an hour`);
    this.#rankMovesMs = [...this.#rankMovesMs, this.now].slice(-movesAnHour);
  }

  #close(session: number): void {
    const connection = this.#cutOff(session);
    connection?.sayToServer((one) => one.takeFin());
  }

  #cutOff(session: number): Connection | undefined {
    const connection = this.connections.get(session);
    this.connections.delete(session);
    this.#limits.delete(session);
    this.#sent.delete(session);
    if (connection !== undefined) connection.isClientGone = true;
    return connection;
  }

  /** The socket takes everything at once. */
  #sendOn(): void {
    for (const [session, limit] of this.#limits) {
      const from = this.#sent.get(session);
      const upTo = Math.min(limit, this.#produced);
      const connection = this.connections.get(session);
      if (from === undefined || upTo <= from || connection === undefined) continue;
      this.#sent.set(session, upTo);
      connection.sayToServer((one) => one.takeBytes(from, upTo));
      this.tell({ kind: 'sent', session, upTo });
    }
  }

  #wake(atMs: number): void {
    if (this.#wakeAtMs > this.now && this.#wakeAtMs <= atMs) return;
    this.#wakeAtMs = atMs;
    this.world.network.time.at(atMs, () => {
      if (!this.isResting) this.tell({ kind: 'tick' });
    });
  }
}

export function newPipes(world: World, client: VirtualClient, server: VirtualServer): readonly [Pipe, Pipe] {
  const { network } = world;
  return [new Pipe(network, client.host, server.host), new Pipe(network, server.host, client.host)];
}
