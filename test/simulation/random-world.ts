/** Random homes with random trouble, then quiet: everybody must end on the best server, and stay there. */
import { Dice, features } from './dice.ts';
import { findMisplaced, findUnserved } from './placement.ts';
import type { Strangers } from './strangers.ts';
import { Troubles } from './troubles.ts';
import { World } from './world.ts';

const pausesMs = [50, 200, 1000, 3000, 8000, 15_000, 40_000] as const;
const intervalsMs = [10_000, 60_000, 300_000] as const;
const calmMs = 60_000;
/** The longest hold-down and the budget's hour are over. */
const restMs = 3_700_000;
const quietMs = 7_400_000;

export interface WorldSize {
  /** From and up to. */
  readonly servers: readonly [number, number];
  readonly clients: readonly [number, number];
  readonly maxes: readonly [number, ...number[]];
  readonly troubles: readonly [number, number];
}

export const smallWorld: WorldSize = {
  servers: [2, 5],
  clients: [1, 12],
  maxes: [2, 3, 5, 8, 12],
  troubles: [3, 27],
};

export interface Outcome {
  readonly failures: readonly string[];
  readonly moves: number;
  /** Strangers' messages that ended at an intake. */
  readonly dropped: number;
}

/** Runs a world to the end of two quiet hours; the same for the same seed. */
export function runRandomWorld(seed: number, strangers: Strangers, size: WorldSize = smallWorld): Outcome {
  const dice = new Dice(seed);
  const world = new World(dice.random);
  world.network.lateness = dice.is(0.3) ? 0.02 : 0;
  populate(world, dice, size);
  const troubles = new Troubles(world, dice, strangers);
  for (let left = between(dice, size.troubles); left > 0; left -= 1) {
    world.run(dice.pick(pausesMs));
    troubles.happen();
  }
  troubles.end();
  checkQuiet(world, troubles.hasServerClone);
  return {
    failures: world.failures,
    moves: world.clients.reduce((sum, { moves }) => sum + moves.length, 0),
    dropped: world.servers.reduce((sum, { dropped }) => sum + dropped, 0),
  };
}

/** I6 and I7: after the last change everybody finds a server, then the best one, and then nobody moves. */
function checkQuiet(world: World, hasServerClone: boolean): void {
  const endMs = world.network.time.nowMs;
  world.run(calmMs);
  const unserved = hasServerClone ? [] : findUnserved(world);
  for (const text of unserved) world.fail(`I6: a minute after the last trouble ${text}`);
  world.isQuiet = true;
  world.run(quietMs - calmMs);
  for (const { host, moves } of world.clients) {
    const lastMs = (moves.at(-1)?.atMs ?? 0) - endMs;
    if (lastMs > restMs) world.fail(`I7: ${host} moved ${Math.round(lastMs)} ms after the last trouble`);
  }
  if (hasServerClone) return;
  for (const text of findMisplaced(world)) world.fail(`I6: after two hours of quiet ${text}`);
}

function populate(world: World, dice: Dice, size: WorldSize): void {
  const intervalMs = dice.pick(intervalsMs);
  for (let left = between(dice, size.servers); left > 0; left -= 1) {
    const server = world.addServer({ features: dice.features(), max: dice.pick(size.maxes), intervalMs });
    if (dice.is(0.7)) server.start();
  }
  world.run(1500);
  for (let left = between(dice, size.clients); left > 0; left -= 1) {
    world.addClient({
      requires: dice.is(0.3) ? [dice.pick(features)] : [],
      weights: dice.is(0.4) ? { [dice.pick(features)]: dice.below(5) } : {},
      mode: dice.is(0.2) ? 'AnyValid' : 'Best',
      order: dice.is(0.3) ? 'ReleaseFirst' : 'ConnectFirst',
    });
  }
}

function between(dice: Dice, [from, upTo]: readonly [number, number]): number {
  return from + dice.below(upTo - from + 1);
}
