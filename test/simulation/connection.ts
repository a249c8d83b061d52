/** A session as both ends see it: ordered pipes, a disk that syncs now and then, a line each second. */
import type { Pipe } from './network.ts';
import { type VirtualClient, newPipes } from './virtual-client.ts';
import type { VirtualServer } from './virtual-server.ts';
import type { World } from './world.ts';

const beatMs = 1000;
const silenceMs = 10_000;

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
  #isBeating = false;
  #lastFrameMs = 0;

  constructor(world: World, client: VirtualClient, ofClient: number, server: VirtualServer) {
    this.number = world.nextSession();
    this.client = client;
    this.server = server;
    this.#ofClient = ofClient;
    this.#world = world;
    [this.#toServer, this.#toClient] = newPipes(world, client, server);
    this.beat();
  }

  /** Nothing is on its way to the disk or to the client. */
  get isAtRest(): boolean {
    const isOpen = this.#world.network.isOpen(this.client.host, this.server.host);
    return isOpen && !this.isServerGone && !this.isClientGone && this.#durable === this.#expected;
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
      this.#world.fail(`${this.server.host} expected ${this.#expected} and got ${from}`);
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

  /** A line each second, and 10 s without a frame are the end; a client that lives pings. Not while the client rests. */
  beat(): void {
    if (this.#isBeating) return;
    this.#isBeating = true;
    this.#lastFrameMs = this.#world.network.time.nowMs;
    this.#beatLater();
  }

  #beatLater(): void {
    this.#world.network.time.after(beatMs, () => {
      if (this.isServerGone || this.client.isResting) {
        this.#isBeating = false;
        return;
      }
      const { network } = this.#world;
      const { nowMs } = network.time;
      if (!this.isClientGone && network.isOpen(this.client.host, this.server.host)) this.#lastFrameMs = nowMs;
      if (nowMs - this.#lastFrameMs >= silenceMs) {
        this.takeFin();
        return;
      }
      if (this.isWelcomed) this.#ack();
      this.#beatLater();
    });
  }
}
