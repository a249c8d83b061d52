import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type WorldShape, actionsOf, createWorld } from '../../support/handover-world.ts';

const many = 1000;
const shape: WorldShape = {
  servers: 3,
  bytes: 24,
  cuts: [0, 5, 6, 12, 18, 19],
  share: 1000,
  wire: 3,
  failures: {
    kill: many,
    restart: many,
    cut: many,
    redirect: many,
    refuse: many,
    silence: many,
    heal: many,
    tenSeconds: many,
  },
  totalFailures: many,
};

/** Takes steps at random; failures are rare, so that something happens between them. */
function walk(
  walked: WorldShape,
  choices: readonly number[],
): { readonly broken: string | undefined; readonly path: string } {
  const world = createWorld(walked);
  const names: string[] = [];
  for (const choice of choices) {
    const actions = actionsOf(world);
    const usual = actions.filter(({ failure }) => failure === undefined);
    const among = choice % 8 === 0 || usual.length === 0 ? actions : usual;
    const action = among[Math.floor(choice / 8) % Math.max(1, among.length)];
    if (action === undefined) break;
    names.push(action.name);
    action.apply(world);
    if (world.broken !== undefined) break;
  }
  return { broken: world.broken, path: names.join('; ') };
}

const choices = fc.array(fc.nat({ max: 100_000 }), { minLength: 20, maxLength: 300, size: 'max' });

describe('random lives of a client', () => {
  it.each([
    ['a ring that holds all', 1000],
    ['a ring of nine bytes', 9],
    ['a ring of four bytes', 4],
  ])('lose no byte uncounted and keep to one session, with %s', { timeout: 600_000 }, (_, share) => {
    fc.assert(
      fc.property(choices, (taken) => {
        expect(walk({ ...shape, share }, taken)).toMatchObject({ broken: undefined });
      }),
      { numRuns: process.env['HOMING_EXPLORE'] === 'deep' ? 30_000 : 300 },
    );
  });
});
