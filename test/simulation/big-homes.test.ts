import { expect, it } from 'vitest';
import type { WorldSize } from './random-world.ts';
import { runSeeds } from './seeds.ts';
import { mintStrangers } from './strangers.ts';

/** HOMING_BIG_SEED=3 runs one of them; HOMING_BIG_HOMES=10 as many, and then one with 50 servers too, minutes of one core. */
const pinned = process.env['HOMING_BIG_SEED'];
const asked = process.env['HOMING_BIG_HOMES'];
const seeds =
  pinned === undefined
    ? Array.from({ length: Number(asked ?? 5) }, (_, index) => index + 1)
    : [Number(pinned)];
const variable = 'HOMING_BIG_SEED';

const sizes: readonly [string, WorldSize][] = [
  ['50 clients', { servers: [4, 8], clients: [50, 50], maxes: [8, 16, 30], troubles: [5, 20] }],
  ['500 clients', { servers: [6, 10], clients: [500, 500], maxes: [50, 100, 250], troubles: [5, 12] }],
];
const huge: readonly [string, WorldSize] = [
  '500 clients and 50 servers',
  { servers: [50, 50], clients: [500, 500], maxes: [10, 20, 30], troubles: [8, 8] },
];

it.each(asked === undefined ? sizes : [...sizes, huge])(
  'big homes keep I1 to I8 and come to rest: %s',
  { timeout: 3_600_000 },
  async (name, size) => {
    const chosen = name === huge[0] ? seeds.slice(0, 1) : seeds;
    const { moves, problems } = runSeeds(chosen, await mintStrangers(), { size, variable });
    expect(problems).toEqual([]);
    expect(moves).toBeGreaterThan(50 * chosen.length);
  },
);
