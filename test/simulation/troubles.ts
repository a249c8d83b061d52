/** What happens to a random home. Each trouble is one thing that a home's owner, its machines or an attacker does. */
import { type Dice, features } from './dice.ts';
import type { Strangers } from './strangers.ts';
import type { VirtualClient } from './virtual-client.ts';
import type { VirtualServer } from './virtual-server.ts';
import type { World } from './world.ts';

/** A clock that is years behind, hours ahead, or right. */
const clocksMs = [0, 0, 0, -1e12, 7_200_000] as const;
const maxClones = 2;

export class Troubles {
  readonly #world: World;
  readonly #dice: Dice;
  readonly #strangers: Strangers;
  readonly #clonedServers: VirtualServer[] = [];
  readonly #clonedClients: VirtualClient[] = [];

  constructor(world: World, dice: Dice, strangers: Strangers) {
    this.#world = world;
    this.#dice = dice;
    this.#strangers = strangers;
  }

  /** Whether two machines still say that they are the same server: nobody can say where clients belong then. */
  get hasServerClone(): boolean {
    return this.#clonedServers.some(({ isUp }) => isUp);
  }

  /** One of them, by chance. */
  happen(): void {
    this.#dice.pick(this.#all)();
  }

  /** Most of it is over; what is not stays as it is. */
  end(): void {
    this.#endClones();
    const { servers, network } = this.#world;
    for (const server of servers) {
      if (this.#dice.is(0.7) && !this.#clonedServers.includes(server)) server.start();
    }
    if (servers.every(({ isUp }) => !isUp)) servers[0]?.start();
    for (const server of servers) {
      for (const feature of features) server.tell({ kind: 'health', feature, isHealthy: true });
    }
    network.heal(0.7);
    if (this.#dice.is(0.3)) this.#partClient();
    network.lateness = 0;
  }

  #endClones(): void {
    if (this.#dice.is(0.5)) for (const clone of this.#clonedServers) clone.crash(true);
    if (this.#dice.is(0.5)) for (const clone of this.#clonedClients) clone.kill(this.#dice.is(0.5));
  }

  readonly #all: readonly [() => void, ...(() => void)[]] = [
    () => this.#crash(),
    () => this.#crash(),
    () => this.#drain(this.#server()),
    () => this.#server().configure({ max: 1 + this.#dice.below(8) }),
    () => this.#server().configure({ features: this.#dice.features() }),
    () => this.#world.network.block(this.#server().host, this.#server().host),
    () => this.#partClient(),
    () => this.#world.network.heal(0.5),
    () => this.#server().start(),
    () => this.#server().tell({ kind: 'shutdown' }),
    () => this.#changeHealth(),
    () => this.#world.replay(),
    () => this.#attack(),
    () => this.#changeMany(),
    () => this.#restartClient(),
    () => this.#cloneClient(),
    () => this.#cloneServer(),
  ];

  #server(): VirtualServer {
    const [first, ...others] = this.#world.servers;
    if (first === undefined) throw new Error('a world without servers');
    return this.#dice.pick([first, ...others]);
  }

  #client(): VirtualClient | undefined {
    return this.#world.running[this.#dice.below(this.#world.running.length)];
  }

  #crash(): void {
    const server = this.#server();
    if (!server.isUp) {
      server.start(this.#dice.pick(clocksMs));
      return;
    }
    server.crash(this.#dice.is(0.5));
    if (this.#dice.is(0.1)) server.forgetSaved();
    server.isReplacedByStranger = this.#dice.is(0.3);
  }

  #partClient(): void {
    const client = this.#client();
    if (client !== undefined) this.#world.network.block(client.host, this.#server().host);
  }

  #drain(server: VirtualServer): void {
    server.configure({ isDrained: !server.config.isDrained });
  }

  #changeHealth(): void {
    this.#server().tell({
      kind: 'health',
      feature: this.#dice.pick(features),
      isHealthy: this.#dice.is(0.6),
    });
  }

  /** Several servers want to be rid of their clients, or become better, in the same moment. */
  #changeMany(): void {
    const isDrain = this.#dice.is(0.3);
    for (const server of this.#world.servers) {
      if (this.#dice.is(0.4)) continue;
      if (isDrain) this.#drain(server);
      else server.configure({ features: this.#dice.features() });
    }
  }

  /** I1: bytes of strangers, to everybody. */
  #attack(): void {
    const { messages } = this.#strangers;
    const message = messages[this.#dice.below(messages.length)];
    if (message === undefined) return;
    for (const server of this.#world.servers) server.hearStranger(message);
  }

  #restartClient(): void {
    const client = this.#client();
    if (client === undefined) return;
    client.kill(this.#dice.is(0.5));
    this.#world.restartClient(client, this.#dice.pick(clocksMs));
  }

  /** Two machines with one state folder; rarely a machine that was copied while it ran, or a second key. */
  #cloneClient(): void {
    const client = this.#client();
    if (client === undefined || this.#clonedClients.length >= maxClones || this.#dice.is(0.5)) return;
    const isCopied = this.#dice.is(0.3);
    const isNewKey = this.#dice.is(0.5);
    const how = isCopied ? { term: client.state.term, isNewKey } : { isNewKey };
    this.#clonedClients.push(this.#world.cloneClient(client, how));
  }

  #cloneServer(): void {
    if (this.#clonedServers.length >= maxClones || this.#dice.is(0.7)) return;
    const clone = this.#world.cloneServer(this.#server());
    this.#clonedServers.push(clone);
    clone.start();
  }
}
