import { describe, expect, it } from 'vitest';
import { ServerUnderTest, only } from '../../support/server-core.ts';

function started(config = {}): ServerUnderTest {
  const server = new ServerUnderTest(config);
  server.start();
  return server;
}

/** `welcome 1`, `bye 2 full` */
function answers(effects: ReturnType<ServerUnderTest['tell']>): readonly string[] {
  return effects.flatMap((effect) => {
    if (effect.kind === 'welcome') return `welcome ${effect.session}`;
    if (effect.kind !== 'bye') return [];
    return `bye ${effect.session} ${effect.reason}${effect.term === undefined ? '' : ` ${effect.term}`}`;
  });
}

describe('a hello', () => {
  it('is welcomed while there is a place, and not beyond max', () => {
    const server = started({ max: 2 });
    expect(answers(server.hello('A').effects)).toEqual(['welcome 1']);
    expect(answers(server.hello('B').effects)).toEqual(['welcome 2']);
    expect(answers(server.hello('C').effects)).toEqual(['bye 3 full']);
    server.leave(1);
    expect(answers(server.hello('C').effects)).toEqual(['welcome 4']);
  });

  it('of a client that is here takes its own place', () => {
    const server = started({ max: 1 });
    server.hello('A');
    expect(answers(server.hello('A').effects)).toEqual(['welcome 2']);
    server.leave(1);
    expect(answers(server.hello('B').effects)).toEqual(['bye 3 full']);
    server.leave(2);
    expect(answers(server.hello('B').effects)).toEqual(['welcome 4']);
  });

  it('for another stream of a client that is here takes its place too', () => {
    const server = started({ max: 1 });
    server.hello('A');
    expect(answers(server.hello('A', { stream: 'sub' }).effects)).toEqual(['welcome 2']);
    expect(server.status.connected).toBe(1);
  });

  it('is sent away by a server that drains or is drained', () => {
    expect(answers(started({ isDrained: true }).hello('A').effects)).toEqual(['bye 1 draining']);
    expect(answers(started({ max: 0 }).hello('A').effects)).toEqual(['bye 1 draining']);
  });

  it('of a suspended client is sent away', () => {
    const server = started({ suspendedClients: new Set(['default/A']) });
    expect(answers(server.hello('A').effects)).toEqual(['bye 1 suspended']);
  });

  it('with a higher term replaces the lower one, on all its sessions', () => {
    const server = started({ max: 1 });
    server.stream('A');
    server.stream('A', { stream: 'sub' });
    expect(answers(server.hello('A', { term: 2 }).effects)).toEqual([
      'bye 1 replaced 2',
      'bye 2 replaced 2',
      'welcome 3',
    ]);
    expect(server.status.connected).toBe(1);
  });

  it('with a lower term is replaced by who is here', () => {
    const server = started();
    server.stream('A', { term: 5 });
    expect(answers(server.hello('A', { term: 4 }).effects)).toEqual(['bye 2 replaced 5']);
  });

  it.each([
    ['b', 'a', ['bye 2 replaced 1']],
    ['a', 'b', ['bye 1 replaced 1', 'welcome 2']],
  ])(
    'with the same term and another key goes by the higher SPKI hash: %s here, %s comes',
    (here, comes, expected) => {
      const server = started();
      server.stream('A', { spki: here });
      expect(answers(server.hello('A', { spki: comes }).effects)).toEqual(expected);
    },
  );

  it('that leads to a second session of one stream ends the older one, whichever begins last', () => {
    const server = started();
    server.stream('A');
    server.hello('A');
    expect(answers(server.tell({ kind: 'begun', session: 2 }))).toEqual(['bye 1 replaced 1']);
    server.hello('A');
    server.tell({ kind: 'begun', session: 3 });
    const late = server.hello('A').session;
    server.tell({ kind: 'ended', session: 3 });
    server.tell({ kind: 'begun', session: late });
    expect(answers(server.tell({ kind: 'begun', session: 3 }))).toEqual(['bye 3 replaced 1']);
  });

  it('for another stream leaves the first one alone', () => {
    const server = started();
    server.stream('A');
    server.hello('A', { stream: 'sub' });
    expect(answers(server.tell({ kind: 'begun', session: 2 }))).toEqual([]);
  });

  it('again and again ends the oldest session, and never by `replaced`, which would stop the client', () => {
    const server = started();
    const all = Array.from({ length: 13 }, () => answers(server.hello('A').effects));
    expect(all.at(-2)).toEqual(['welcome 12']);
    expect(all.at(-1)).toEqual(['bye 1 error', 'welcome 13']);
  });
});

describe('clients', () => {
  it('are counted in what is announced, at most twice a second', () => {
    const server = started();
    const { effects } = server.hello('A');
    expect(only(effects, 'announce').map(({ facts }) => facts.connected)).toEqual([1]);
    expect(only(server.hello('B').effects, 'announce')).toEqual([]);
    expect(only(server.hello('C').effects, 'announce')).toEqual([]);
    expect(
      only(server.wait(500), 'announce').map(({ facts, onLinks }) => [facts.connected, onLinks]),
    ).toEqual([[3, true]]);
  });

  it('that are suspended while they are here are sent away, and others are not', () => {
    const server = started();
    server.stream('A');
    server.stream('B');
    const effects = server.configure({ suspendedClients: new Set(['default/A']) });
    expect(answers(effects)).toEqual(['bye 1 suspended']);
    expect(server.status.clients.map(({ name }) => name)).toEqual(['default/B']);
  });

  it('are told to links when they begin', () => {
    const server = started();
    expect(only(server.stream('A', { term: 7 }).effects, 'serves').map(({ serves }) => serves)).toEqual([
      { kind: 'serves', client: 'ab:AAAAAAAAAAAAAAAAAAAAAA', term: 7 },
    ]);
  });

  it('whose session is gone say nothing any more', () => {
    const server = started();
    const { session } = server.stream('A');
    server.leave(session);
    expect(only(server.refuse(session, 'X', 'full'), 'tell')).toEqual([]);
    expect(server.end(session).filter(({ kind }) => kind !== 'wake')).toEqual([]);
    expect(server.status.connected).toBe(0);
  });
});

describe('fail-over lists', () => {
  function listOf(effects: ReturnType<ServerUnderTest['tell']>): readonly string[] {
    return only(effects, 'peers').map(({ session, servers }) => {
      return `${session}: ${servers.map(({ id }) => id.slice(5, 6)).join('')}`;
    });
  }

  it('are told at the welcome and on each change, and not again', () => {
    const server = started({ features: ['a', 'b', 'c', 'd'] });
    expect(listOf(server.stream('A').effects)).toEqual(['1: ']);
    expect(listOf(server.link('X'))).toEqual(['1: X']);
    expect(listOf(server.hear('X', { connected: 1 }))).toEqual([]);
    expect(listOf(server.unlink('X'))).toEqual(['1: ']);
  });

  it('name the other addresses of a server, as a client may reach it by those only: at most 4', () => {
    const server = started({ features: ['a', 'b', 'c', 'd'] });
    server.stream('A');
    const also = [1, 2, 3, 4, 5].map((host) => ({ ip: `10.9.0.${host}`, port: 17_320 }));
    const [list] = only(server.link('X', { also }), 'peers');
    expect(list?.servers.map(({ address, also: further }) => ({ address, further }))).toEqual([
      { address: { ip: '10.0.0.1', port: 88 }, further: also.slice(0, 4) },
    ]);
  });

  it('name those with room first, best first, then those held down, then full ones; nobody who drains or is only heard', () => {
    const server = started({ features: ['a', 'b', 'c', 'd', 'e'] });
    server.link('F', { features: ['a', 'b', 'c', 'd'], max: 1, connected: 1 });
    server.link('H', { features: ['a', 'b', 'c'] });
    server.unlink('H');
    server.link('H', { features: ['a', 'b', 'c'] });
    server.link('L', { features: ['a'] });
    server.link('B', { features: ['a', 'b'] });
    server.link('D', { max: 0 });
    server.hear('U', { features: ['a', 'b', 'c', 'd'] }, 'multicast');
    expect(listOf(server.stream('A').effects).at(-1)).toBe('1: BLHF');
    expect(listOf(server.wait(5000)).at(-1)).toBe('1: HBLF');
  });

  it('are each client’s own, and at most 16', () => {
    const server = started({ features: ['a', 'b', 'c', 'd', 'e'] });
    for (const letter of 'BCDEFGHIJKLNOPQRSTU'.split('')) server.link(letter, { features: ['a'] });
    server.link('Z', { features: ['z'] });
    const plain = listOf(server.stream('A').effects).at(-1);
    const picky = listOf(server.stream('B', { weights: { z: 3 } }).effects).at(-1);
    expect(plain).toBe('1: BCDEFGHIJKLNOPQR');
    expect(picky).toBe('2: ZBCDEFGHIJKLNOPQ');
  });
});
