import { expect, it } from 'vitest';
import { runSeeds, seedsOf } from './seeds.ts';
import { mintStrangers } from './strangers.ts';

it(
  'random homes keep I1 to I8, and two quiet hours after their last trouble nobody moves',
  { timeout: 3_600_000 },
  async () => {
    const { worlds, moves, dropped, problems } = runSeeds(seedsOf(3), await mintStrangers());
    console.info(`${worlds} worlds, ${moves} moves, ${dropped} messages of strangers dropped`);
    expect(problems).toEqual([]);
  },
);
