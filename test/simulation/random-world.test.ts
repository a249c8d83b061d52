import { describe, expect, it } from 'vitest';
import { seededRandom } from '../support/mutation.ts';
import { runRandomWorld } from './random-world.ts';
import { mintStrangers } from './strangers.ts';
import { World } from './world.ts';

const strangers = await mintStrangers();

describe('a random home', () => {
  it('is the same for the same seed', () => {
    const [first, second] = [runRandomWorld(5, strangers), runRandomWorld(5, strangers)];
    expect(first).toEqual(second);
  });

  it('moves clients and hears strangers, or its invariants prove nothing', () => {
    const outcomes = Array.from({ length: 20 }, (_, index) => runRandomWorld(index + 1, strangers));
    expect(outcomes.reduce((sum, { moves }) => sum + moves, 0)).toBeGreaterThan(100);
    expect(outcomes.reduce((sum, { dropped }) => sum + dropped, 0)).toBeGreaterThan(10);
  });
});

describe('the intake of a virtual server', () => {
  it('drops every message of a stranger and would take a good one', () => {
    const world = new World(seededRandom(1));
    const server = world.addServer({});
    server.start();
    for (const message of strangers.messages) server.hearStranger(message);
    expect(server.dropped).toBe(strangers.messages.length);
    expect(world.failures).toEqual([]);
    server.hearStranger(strangers.good);
    expect(world.failures).toHaveLength(1);
  });
});
