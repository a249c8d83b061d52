/** Random homes with random trouble, then quiet: everybody must end on the best server, and stay there. */
import { seededRandom } from '../support/mutation.ts';
import { World } from './world.ts';

const features = ['x', 'record', 'gpu', 'web'] as const;
const pausesMs = [50, 200, 1000, 3000, 8000, 15_000, 40_000] as const;

export interface Outcome {
  readonly failures: readonly string[];
  readonly moves: number;
  /** Milliseconds of quiet until the last move. */
  readonly lastMoveMs: number;
  readonly misplaced: readonly string[];
}

/** @param quietMs how long nothing happens at the end */
export function runRandomWorld(seed: number, quietMs: number): Outcome {
  const dice = new Dice(seed);
  const world = new World(dice.random);
  world.network.lateness = dice.is(0.3) ? 0.02 : 0;
  populate(world, dice);
  const troubles = troublesOf(world, dice);
  for (let left = 3 + dice.below(25); left > 0; left -= 1) {
    world.run(dice.pick(pausesMs));
    dice.pick(troubles)();
  }
  endTrouble(world, dice);
  const calmMs = world.network.time.nowMs;
  world.run(60_000);
  world.isQuiet = true;
  for (const text of world.misplaced()) {
    if (text.includes('no server')) world.fail(`a minute after the last trouble ${text}`);
  }
  world.run(quietMs - 60_000);
  const moves = world.clients.flatMap((client) => client.moves);
  return {
    failures: world.failures,
    moves: moves.length,
    lastMoveMs: Math.max(0, ...moves.map(({ atMs }) => atMs - calmMs)),
    misplaced: world.misplaced(),
  };
}

class Dice {
  readonly random: () => number;
  readonly releasesFirst: boolean;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.releasesFirst = seed % 2 === 1;
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  is(chance: number): boolean {
    return this.random() < chance;
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.below(items.length)] ?? items[0];
  }

  features(): readonly string[] {
    return ['x', ...features.slice(1).filter(() => this.is(0.6))];
  }
}

function populate(world: World, dice: Dice): void {
  for (let left = 2 + dice.below(4); left > 0; left -= 1) {
    const server = world.addServer({ features: dice.features(), max: dice.pick([2, 3, 5, 8, 12]) });
    if (dice.is(0.7)) server.start();
  }
  world.run(1500);
  for (let left = 1 + dice.below(12); left > 0; left -= 1) {
    world.addClient({
      requires: dice.is(0.3) ? [dice.pick(features)] : [],
      weights: dice.is(0.4) ? { [dice.pick(features)]: dice.below(5) } : {},
      mode: dice.is(0.2) ? 'AnyValid' : 'Best',
      // Who releases first and finds its target dead cannot say so to anybody: such worlds come to rest less strictly.
      order: dice.releasesFirst && dice.is(0.3) ? 'ReleaseFirst' : 'ConnectFirst',
    });
  }
}

function troublesOf(world: World, dice: Dice): readonly [() => void, ...(() => void)[]] {
  const [first, ...others] = world.servers.values();
  if (first === undefined) throw new Error('a world without servers');
  const server = () => dice.pick([first, ...others]);
  const client = () => world.clients[dice.below(world.clients.length)]?.id ?? '';
  return [
    () => {
      const one = server();
      if (one.isUp) one.crash(dice.is(0.5));
      // Sometimes a machine comes back with a clock that is years behind.
      else one.start(dice.is(0.1) ? -1e12 : 0);
    },
    () => {
      const one = server();
      one.configure({ isDrained: !one.config.isDrained });
    },
    () => server().configure({ max: 1 + dice.below(8) }),
    () => server().configure({ features: dice.features() }),
    () => world.network.block(server().id, server().id),
    () => world.network.block(client(), server().id),
    () => world.network.heal(0.5),
    () => server().start(),
    () => server().tell({ kind: 'shutdown' }),
    () => server().tell({ kind: 'health', feature: dice.pick(features), isHealthy: dice.is(0.6) }),
    () => world.replay(),
  ];
}

function endTrouble(world: World, dice: Dice): void {
  const servers = [...world.servers.values()];
  for (const server of servers) if (dice.is(0.7)) server.start();
  if (servers.every(({ isUp }) => !isUp)) servers[0]?.start();
  for (const server of servers) {
    for (const feature of features) server.tell({ kind: 'health', feature, isHealthy: true });
  }
  world.network.heal(0.7);
  world.network.lateness = 0;
}
