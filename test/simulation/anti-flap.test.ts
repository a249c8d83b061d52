import { describe, expect, it } from 'vitest';
import { seededRandom } from '../support/mutation.ts';
import type { VirtualServer } from './virtual-server.ts';
import { type ClientWishes, World } from './world.ts';

const hourMs = 3_600_000;

function openWorld(...features: readonly (readonly string[])[]): {
  readonly world: World;
  readonly servers: readonly VirtualServer[];
} {
  const world = new World(seededRandom(11));
  const servers = features.map((each) => world.addServer({ features: each, max: 8 }));
  for (const server of servers) server.start();
  world.run(1500);
  return { world, servers };
}

function addClients(world: World, count: number, wishes: ClientWishes = {}): void {
  for (let index = 0; index < count; index += 1) world.addClient(wishes);
}

function serving(world: World): readonly (string | undefined)[] {
  return world.clients.map(({ server }) => server?.name);
}

function countMoves(world: World): number {
  return world.clients.reduce((sum, { moves }) => sum + moves.length, 0);
}

/** Takes the servers one by one; a world always has them. */
function pair([a, b]: readonly VirtualServer[]): readonly [VirtualServer, VirtualServer] {
  if (a === undefined || b === undefined) throw new Error('two servers are needed');
  return [a, b];
}

describe('two servers that redirect at once', () => {
  it('and are full keep their clients, as nobody gives up a place for another', () => {
    const { world, servers } = openWorld(['gpu'], ['web']);
    const [a, b] = pair(servers);
    addClients(world, 2, { requires: ['gpu'] });
    addClients(world, 2, { requires: ['web'] });
    world.run(20_000);
    a.configure({ max: 2 });
    b.configure({ max: 2 });
    expect(serving(world)).toEqual(['SA', 'SA', 'SB', 'SB']);
    const before = countMoves(world);
    a.configure({ features: ['web'] });
    b.configure({ features: ['gpu'] });
    world.run(hourMs);
    expect(countMoves(world)).toBe(before);
    expect(world.failures).toEqual([]);
  });

  it('and have one place left change all clients over, each once', () => {
    const { world, servers } = openWorld(['gpu'], ['web']);
    const [a, b] = pair(servers);
    a.configure({ max: 2 });
    b.configure({ max: 3 });
    addClients(world, 2, { requires: ['gpu'] });
    addClients(world, 2, { requires: ['web'] });
    world.run(20_000);
    const before = countMoves(world);
    a.configure({ features: ['web'] });
    b.configure({ features: ['gpu'] });
    world.run(hourMs);
    expect(serving(world)).toEqual(['SB', 'SB', 'SA', 'SA']);
    expect(countMoves(world)).toBe(before + 4);
    expect(world.failures).toEqual([]);
  });

  it('as both are drained keep everybody, and the first that takes clients again gets them all', () => {
    const { world, servers } = openWorld(['x'], ['x']);
    const [a, b] = pair(servers);
    addClients(world, 4);
    world.run(20_000);
    a.configure({ isDrained: true });
    b.configure({ isDrained: true });
    world.run(hourMs);
    expect(serving(world)).not.toContain(undefined);
    b.configure({ isDrained: false });
    world.run(60_000);
    expect(serving(world)).toEqual(['SB', 'SB', 'SB', 'SB']);
    expect(world.failures).toEqual([]);
  });
});

describe('features that come and go', () => {
  it('every 20 s send clients away once, and back when their sink has worked for a minute', () => {
    const { world, servers } = openWorld(['x', 'record'], ['record']);
    const [a] = pair(servers);
    addClients(world, 3, { requires: ['record'] });
    world.run(20_000);
    expect(serving(world)).toEqual(['SA', 'SA', 'SA']);
    const before = countMoves(world);
    for (let round = 0; round < 60; round += 1) {
      a.tell({ kind: 'health', feature: 'record', isHealthy: round % 2 === 1 });
      world.run(20_000);
    }
    expect(serving(world)).toEqual(['SB', 'SB', 'SB']);
    expect(countMoves(world)).toBe(before + 3);
    world.run(120_000);
    expect(serving(world)).toEqual(['SA', 'SA', 'SA']);
    expect(world.failures).toEqual([]);
  });
});

describe('a copied state folder', () => {
  it('of a server is told on both machines, and no client moves that has a server', () => {
    const { world, servers } = openWorld(['x'], ['x', 'gpu']);
    const [, b] = pair(servers);
    addClients(world, 4);
    world.run(20_000);
    expect(serving(world)).toEqual(['SB', 'SB', 'SB', 'SB']);
    const before = countMoves(world);
    const clone = world.cloneServer(b);
    clone.start();
    world.run(hourMs);
    expect(b.warnings).toContain('IdentityConflict');
    expect(clone.warnings).toContain('IdentityConflict');
    expect(countMoves(world)).toBe(before);
    expect(world.failures).toEqual([]);
  });

  it('of a client ends the older start where both come to one server, and for good', () => {
    const { world } = openWorld(['x']);
    const older = world.addClient();
    world.run(10_000);
    const newer = world.cloneClient(older);
    world.run(hourMs);
    expect([older.isStopped, newer.isStopped]).toEqual([true, false]);
    expect(newer.server?.name).toBe('SA');
    expect(world.failures).toEqual([]);
  });
});

describe('a better server that a client cannot reach', () => {
  it.each(['ConnectFirst', 'ReleaseFirst'] as const)(
    'is tried again 30 s to 5 min apart and never moves it, order %s',
    (order) => {
      const { world, servers } = openWorld(['x']);
      const client = world.addClient({ order });
      world.run(10_000);
      const better = world.addServer({ features: ['x', 'gpu'] });
      world.network.block(client.host, better.host);
      better.start();
      world.run(2 * hourMs);
      expect(client.server).toBe(servers[0]);
      // Who releases first leaves once and comes back, and looks before it leaps from then on.
      expect(client.moves.length).toBeLessThanOrEqual(2);
      expect(client.refusals).toBeGreaterThan(10);
      expect(client.refusals).toBeLessThanOrEqual(40);
      world.network.heal(1);
      world.run(600_000);
      expect(client.server).toBe(better);
      expect(world.failures).toEqual([]);
    },
  );
});

describe('a server that its owner cannot leave alone', () => {
  it('moves a client twelve times an hour and not more', () => {
    const { world, servers } = openWorld(['x'], ['x', 'web']);
    const [a] = pair(servers);
    const client = world.addClient();
    world.run(20_000);
    const startMs = world.network.time.nowMs;
    for (let round = 0; round < 80; round += 1) {
      a.configure({ features: round % 2 === 0 ? ['x', 'web', 'gpu'] : ['x'] });
      world.run(45_000);
    }
    const moves = client.moves.filter(({ atMs, why }) => why === 'rank' && atMs > startMs);
    expect(moves).toHaveLength(12);
    expect(world.failures).toEqual([]);
  });
});

describe('mode AnyValid', () => {
  it('goes to servers that start anew in turn, and is held back where they do it again and again', () => {
    const { world, servers } = openWorld(['x'], ['x'], ['x']);
    const client = world.addClient({ mode: 'AnyValid' });
    world.run(20_000);
    const before = client.moves.filter(({ why }) => why === 'rank').length;
    for (let round = 0; round < 60; round += 1) {
      const idle = servers.filter((server) => server !== client.server);
      const next = idle[round % idle.length];
      next?.crash(true);
      world.run(1000);
      next?.start();
      world.run(59_000);
    }
    const moves = client.moves.filter(({ why }) => why === 'rank').length - before;
    expect(moves).toBeGreaterThan(1);
    expect(moves).toBeLessThanOrEqual(12);
    expect(world.failures).toEqual([]);
  });
});

describe('one free place and many servers', () => {
  it('is taken once, and hardly anybody asks for nothing', () => {
    const { world } = openWorld(...Array.from({ length: 20 }, () => ['x']));
    for (const server of world.servers) server.configure({ max: 2 });
    addClients(world, 40);
    world.run(60_000);
    expect(serving(world)).not.toContain(undefined);
    const refused = world.clients.reduce((sum, { refusals }) => sum + refusals, 0);
    const best = world.addServer({ features: ['x', 'gpu'], max: 1 });
    best.start();
    world.run(hourMs);
    expect(best.state.clients.size).toBe(1);
    const more = world.clients.reduce((sum, { refusals }) => sum + refusals, 0) - refused;
    expect(more).toBeLessThanOrEqual(20);
    expect(world.failures).toEqual([]);
  });
});
