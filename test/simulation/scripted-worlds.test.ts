import { describe, expect, it } from 'vitest';
import { seededRandom } from '../support/mutation.ts';
import { World } from './world.ts';

function openWorld(): World {
  return new World(seededRandom(7));
}

function whys(world: World): readonly string[] {
  return world.clients.flatMap(({ moves }) => moves.map(({ why }) => why));
}

describe('homes in virtual time', () => {
  it('a newcomer with better features gets all clients, once, and nobody loses a byte', () => {
    const world = openWorld();
    world.addServer({ features: ['x'] }).start();
    const nuc = world.addServer({ features: ['x', 'record'] });
    for (let index = 0; index < 4; index += 1) world.addClient();
    world.run(5000);
    nuc.start();
    world.run(30_000);
    expect(world.clients.map(({ server }) => server?.name)).toEqual(['SB', 'SB', 'SB', 'SB']);
    world.run(120_000);
    expect(whys(world)).toEqual(Array.from({ length: 4 }, () => ['start', 'rank']).flat());
    expect(world.failures).toEqual([]);
  });

  it('a server that dies every minute moves its clients fewer and fewer times, and then they rest', () => {
    const world = openWorld();
    world.addServer({ features: ['x'] }).start();
    const bad = world.addServer({ features: ['x', 'record'] });
    bad.start();
    for (let index = 0; index < 4; index += 1) world.addClient();
    world.run(20_000);
    world.isQuiet = true;
    const movesUntil: number[] = [];
    for (let round = 0; round < 110; round += 1) {
      bad.crash(true);
      world.run(5000);
      bad.start();
      world.run(60_000);
      movesUntil.push(whys(world).filter((why) => why === 'rank').length);
    }
    // Every one of four clients could have gone back after each of the 110 deaths.
    expect(movesUntil.at(-1)).toBeLessThanOrEqual(40);
    expect(movesUntil.at(-1)).toBe(movesUntil.at(-56));
    expect(world.failures).toEqual([]);
  });

  it('a partition that flaps between servers moves nobody to and fro', () => {
    const world = openWorld();
    const a = world.addServer({ features: ['x'] });
    const b = world.addServer({ features: ['x', 'record'] });
    a.start();
    b.start();
    for (let index = 0; index < 4; index += 1) world.addClient();
    world.run(20_000);
    const before = whys(world).length;
    for (let round = 0; round < 20; round += 1) {
      world.network.block(a.id, b.id);
      world.run(4000);
      world.network.heal(1);
      world.run(4000);
    }
    expect(whys(world).length).toBe(before);
    expect(world.clients.map(({ server }) => server?.name)).toEqual(['SB', 'SB', 'SB', 'SB']);
    expect(world.failures).toEqual([]);
  });

  it('a drained server gives everybody away without anybody being lost on the way', () => {
    const world = openWorld();
    const a = world.addServer({ features: ['x', 'record'] });
    world.addServer({ features: ['x'] }).start();
    a.start();
    for (let index = 0; index < 4; index += 1) world.addClient();
    world.run(20_000);
    a.tell({ kind: 'shutdown' });
    world.run(60_000);
    expect(a.isUp).toBe(false);
    expect(world.clients.map(({ server }) => server?.name)).toEqual(['SB', 'SB', 'SB', 'SB']);
    expect(new Set(world.clients.map(({ moves }) => moves.at(-1)?.why))).toEqual(new Set(['drain']));
    expect(world.failures).toEqual([]);
  });

  it('played announcements of a dead server move nobody', () => {
    const world = openWorld();
    world.addServer({ features: ['x'] }).start();
    const nuc = world.addServer({ features: ['x', 'record'] });
    nuc.start();
    for (let index = 0; index < 4; index += 1) world.addClient();
    world.run(20_000);
    nuc.crash(true);
    world.run(20_000);
    const before = whys(world).length;
    for (let round = 0; round < 200; round += 1) {
      world.replay();
      world.run(100);
    }
    expect(whys(world).length).toBe(before);
    expect(world.clients.map(({ server }) => server?.name)).toEqual(['SA', 'SA', 'SA', 'SA']);
    expect(world.failures).toEqual([]);
  });
});
