/** A virtual camera with the real client core: a source that makes bytes, and connections that carry them. */
import type { ClientConfig, ClientEffect, ClientEvent } from '../../agent/client/core-events.ts';
import type { ClientState } from '../../agent/client/core-state.ts';
import { createClientState, step } from '../../agent/client/core.ts';
import type { ClientId } from '../../protocol/identifiers.ts';
import type { Mark } from '../../protocol/media/scanner.ts';
import { Pipe } from './network.ts';
import { Ranges } from './ranges.ts';
import type { VirtualServer } from './virtual-server.ts';
import type { Connection, World } from './world.ts';

const produceEveryMs = 500;
const piece = 100;
/** A key frame every second. */
const pieceOfCut = 2;
const pid = 256;

export class VirtualClient {
  readonly world: World;
  readonly id: ClientId;
  readonly state: ClientState;
  readonly connections = new Map<number, Connection>();
  /** What is durable somewhere. */
  readonly safe = new Ranges();
  /** When its bytes went to another server, and to which. */
  readonly moves: { readonly atMs: number; readonly to: string; readonly why: string }[] = [];
  isStopped = false;
  #produced = 0;
  readonly #limits = new Map<number, number>();
  readonly #sent = new Map<number, number>();
  #wakeAtMs = Infinity;

  constructor(world: World, index: number, config: ClientConfig) {
    this.world = world;
    this.id = `ab:${config.name.slice('default/'.length).padEnd(22, '0')}`;
    const servers = [...world.servers.values()].map(({ id, address }) => ({ id, endpoints: [address] }));
    const { random } = world.network;
    for (let left = servers.length - 1; left > 0; left -= 1) {
      const other = Math.floor(random() * (left + 1));
      const [a, b] = [servers[left], servers[other]];
      if (a !== undefined && b !== undefined) [servers[left], servers[other]] = [b, a];
    }
    this.state = createClientState(
      // A world that never stalls: all time is time in which the loop ran.
      { config, term: 1000 + index, servers, shareBytes: 1e12, jitter: random(), loopGapMs: 1e12 },
      this.now,
    );
    this.tell({ kind: 'tick' });
    this.#produce(0);
  }

  tell(event: ClientEvent): void {
    if (this.isStopped) return;
    const effects = step(this.state, event, this.now);
    for (const effect of effects) this.#apply(effect);
    this.world.checkClient(this);
    this.#sendOn();
  }

  /** The server that its bytes go to. */
  get server(): VirtualServer | undefined {
    const { phase } = this.state;
    return 'current' in phase ? this.connections.get(phase.current)?.server : undefined;
  }

  get now(): number {
    return this.world.network.time.nowMs;
  }

  #produce(count: number): void {
    const { time } = this.world.network;
    time.after(produceEveryMs, () => this.#produce(count + 1));
    // In a quiet world bytes prove nothing new, and an hour of them takes long.
    if (this.isStopped || (this.world.isQuiet && this.state.phase.name === 'stream')) return;
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
        this.world.fail(`${this.id} stopped: ${effect.reason}`);
        return;
      case 'tell':
      case 'remember':
    }
  }

  #dial({ session, endpoints, expectId, hello }: Extract<ClientEffect, { kind: 'dial' }>): void {
    const { network } = this.world;
    const server = [...this.world.servers.values()].find(
      ({ address }) => address.port === endpoints[0]?.port,
    );
    if (server === undefined) return;
    const { config, term } = this.state;
    network.time.after(3 * network.delayMs(), () => {
      if (!this.state.sessions.has(session)) return;
      if (!network.isOpen(this.id, server.id) || (!server.isUp && network.random() < 0.5)) return;
      if (!server.isUp || (expectId !== undefined && server.id !== expectId)) {
        this.tell({ kind: 'dialFailed', session, reason: 'unreachable', detail: 'refused' });
        return;
      }
      const connection = this.world.connect(this, session, server);
      server.tell({
        kind: 'hello',
        session: connection.number,
        name: config.name,
        spkiSha256: this.id,
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
    });
  }

  #begin({ session, offset }: Extract<ClientEffect, { kind: 'begin' }>): void {
    const connection = this.connections.get(session);
    if (connection === undefined) return;
    const last = this.moves.at(-1);
    if (last?.to !== connection.server.name) {
      this.moves.push({
        atMs: this.now,
        to: connection.server.name,
        why: this.state.pending?.reason ?? 'loss',
      });
    }
    this.#sent.set(session, offset);
    connection.sayToServer((one) => one.takeBegin(offset));
  }

  #close(session: number): void {
    const connection = this.connections.get(session);
    this.connections.delete(session);
    this.#limits.delete(session);
    this.#sent.delete(session);
    if (connection === undefined) return;
    connection.isClientGone = true;
    connection.sayToServer((one) => one.takeFin());
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
    this.world.network.time.at(atMs, () => this.tell({ kind: 'tick' }));
  }
}

export function newPipes(world: World, client: VirtualClient, server: VirtualServer): readonly [Pipe, Pipe] {
  return [new Pipe(world.network, client.id, server.id), new Pipe(world.network, server.id, client.id)];
}
