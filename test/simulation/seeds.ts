/**
 * Which random homes a test file runs. The files share the seeds between them, so that all cores of the machine work.
 *
 * HOMING_SEED=17 runs one seed, HOMING_SEEDS=20000 more of them. A failing seed says how to run it alone.
 */
import { type Outcome, type WorldSize, runRandomWorld, smallWorld } from './random-world.ts';
import type { Strangers } from './strangers.ts';

const pinned = process.env['HOMING_SEED'];
const count = Number(process.env['HOMING_SEEDS'] ?? 2000);
const files = 4;

/** The seeds of a file. @param part from 0 to 3 */
export function seedsOf(part: number): readonly number[] {
  const all =
    pinned === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(pinned)];
  return all.filter((seed) => seed % files === part);
}

export interface Tally {
  readonly worlds: number;
  readonly moves: number;
  readonly dropped: number;
  /** Each begins with how to run it alone. */
  readonly problems: readonly string[];
}

/** Runs each seed to the end of its quiet hours. */
export function runSeeds(
  seeds: readonly number[],
  strangers: Strangers,
  {
    size = smallWorld,
    variable = 'HOMING_SEED',
  }: { readonly size?: WorldSize; readonly variable?: string } = {},
): Tally {
  const outcomes = seeds.map((seed): readonly [number, Outcome] => [
    seed,
    runRandomWorld(seed, strangers, size),
  ]);
  return {
    worlds: outcomes.length,
    moves: outcomes.reduce((sum, [, { moves }]) => sum + moves, 0),
    dropped: outcomes.reduce((sum, [, { dropped }]) => sum + dropped, 0),
    problems: outcomes.flatMap(([seed, { failures }]) =>
      failures.map((text) => `${variable}=${seed}: ${text}`),
    ),
  };
}
