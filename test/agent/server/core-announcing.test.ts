import { describe, expect, it } from 'vitest';
import { parseSavedServer } from '../../../agent/server/core-saved.ts';
import { ServerUnderTest, only, redirects, serverIdOf } from '../../support/server-core.ts';

function announced(effects: ReturnType<ServerUnderTest['tell']>): readonly string[] {
  return only(effects, 'announce').map(({ facts, onLinks }) => {
    return `${facts.order.seq}: ${facts.features.join(',')} ${facts.connected}/${facts.max}${onLinks ? ' links' : ''}`;
  });
}

function started(config = {}, options = {}): ServerUnderTest {
  const server = new ServerUnderTest(config, options);
  server.start();
  return server;
}

function warnings(effects: ReturnType<ServerUnderTest['tell']>): readonly string[] {
  return only(effects, 'tell').flatMap(({ event }) => (event.event === 'warning' ? event.reason : []));
}

describe('announcements', () => {
  it('come three times at the start: at once, after 250 ms and after 1,000 ms', () => {
    const server = new ServerUnderTest();
    expect(announced(server.tell({ kind: 'start', unixMs: 5 }))).toEqual(['1: record 0/5 links']);
    expect(announced(server.wait(249))).toEqual([]);
    expect(announced(server.wait(1))).toEqual(['2: record 0/5']);
    expect(announced(server.wait(749))).toEqual([]);
    expect(announced(server.wait(1))).toEqual(['3: record 0/5']);
  });

  it.each([
    [0, 8000],
    [0.5, 10_000],
    [0.999, 11_996],
  ])('come every interval, a fifth more or less: with chance %d after %d ms', (random, afterMs) => {
    const server = started({}, { random: () => random });
    server.wait(afterMs - 501);
    expect(announced(server.wait(2)).length).toBe(1);
    expect(announced(server.wait(afterMs - 10))).toEqual([]);
  });

  it('come at once when what they say changes', () => {
    const server = started();
    expect(announced(server.configure({ max: 6 }))).toEqual(['4: record 0/6 links']);
    expect(announced([...server.configure({ max: 7 }), ...server.wait(450)])).toEqual([]);
    expect(announced(server.wait(50))).toEqual(['5: record 0/7 links']);
  });

  it('come again when our addresses change', () => {
    const server = started();
    expect(announced(server.tell({ kind: 'addresses' }))).toEqual(['4: record 0/5 links']);
  });

  it('say max 0 while the server is drained', () => {
    expect(announced(started().configure({ isDrained: true }))).toEqual(['4: record 0/0 links']);
  });

  it('begin with a boot that is higher than the last, even where the clock went back', () => {
    const server = new ServerUnderTest({}, { saved: { boot: 1_800_000_000_000, peers: [] } });
    const effects = server.start();
    expect(only(effects, 'announce')[0]?.facts.order.boot).toBe(1_800_000_000_001);
    expect(only(effects, 'save')[0]?.saved.boot).toBe(1_800_000_000_001);
  });

  it('say nothing of ours before the start', () => {
    expect(new ServerUnderTest().hello('A').effects.filter(({ kind }) => kind === 'announce')).toEqual([]);
  });
});

describe('features', () => {
  it('go at once when their sink fails, and the clients that require them with them', () => {
    const server = started({ features: ['record', 'live'] });
    server.stream('A', { requires: ['record'] });
    server.link('X', { max: 4 });
    const effects = [
      ...server.tell({ kind: 'health', feature: 'record', isHealthy: false }),
      ...server.wait(600),
    ];
    expect(announced(effects)).toEqual(['5: live 1/5 links']);
    expect(redirects(effects)).toEqual(['A→X requires']);
    expect(warnings(effects)).toEqual(['FeatureLost']);
    expect(server.status.missingFeatures).toEqual(['record']);
  });

  it('come back after 60 s of health, and not after less', () => {
    const server = started();
    const health = (isHealthy: boolean) => server.tell({ kind: 'health', feature: 'record', isHealthy });
    health(false);
    health(true);
    server.wait(50_000);
    health(false);
    health(true);
    server.wait(59_000);
    expect(server.status.features).toEqual([]);
    server.wait(1000);
    expect(server.status.features).toEqual(['record']);
  });
});

describe('shutdown', () => {
  it('says max 0 three times, then ends where nobody is left', () => {
    const server = started();
    const effects = [...server.tell({ kind: 'shutdown' }), ...server.wait(1000)];
    expect(announced(effects)).toEqual(['4: record 0/0 links', '5: record 0/0', '6: record 0/0']);
    expect(effects.at(-1)?.kind).toBe('finished');
    expect(server.wait(60_000)).toEqual([]);
  });

  it('sends its clients away first and waits for them', () => {
    const server = started();
    const { session } = server.stream('A');
    server.link('X', { max: 4 });
    const effects = [...server.tell({ kind: 'shutdown' }), ...server.wait(2000)];
    expect(redirects(effects)).toEqual(['A→X drain']);
    server.end(session);
    expect(only(server.wait(2000), 'finished')).toEqual([]);
    expect(only(server.leave(session), 'finished').length).toBe(1);
  });

  it('ends at once with `bye stopped` where nobody else takes its clients', () => {
    const server = started();
    server.stream('A');
    const effects = [...server.tell({ kind: 'shutdown' }), ...server.wait(400)];
    expect(only(effects, 'bye').map(({ reason }) => reason)).toEqual(['stopped']);
    expect(only(effects, 'finished').length).toBe(1);
  });

  it('ends after 50 s whatever its clients do', () => {
    const server = started();
    const { session } = server.stream('A');
    server.end(session);
    server.tell({ kind: 'shutdown' });
    expect(only(server.wait(49_000), 'finished')).toEqual([]);
    expect(only(server.wait(1100), 'finished').length).toBe(1);
  });
});

describe('peers', () => {
  it('are dropped as stale where a message is played again, and change nothing', () => {
    const server = started();
    server.hear('X', { seq: 5, max: 3 }, 'multicast');
    const before = JSON.stringify(server.status);
    const effects = [
      ...server.hear('X', { seq: 5, max: 9 }, 'multicast'),
      ...server.hear('X', { seq: 4, max: 9 }, 'multicast'),
      ...server.hear('X', { seq: 9, boot: 0, max: 9 }, 'multicast'),
    ];
    expect(only(effects, 'dropped').map(({ reason }) => reason)).toEqual(['stale', 'stale', 'stale']);
    expect(only(effects, 'call')).toEqual([]);
    expect(JSON.stringify(server.status)).toBe(before);
  });

  it('are spoken for by their link: datagrams change nothing while it is up', () => {
    const server = started();
    server.link('X', { max: 3 });
    const before = JSON.stringify(server.status);
    server.hear('X', { max: 9, seq: 99 }, 'multicast');
    expect(JSON.stringify(server.status)).toBe(before);
  });

  it('may come back on a link with a lower boot: a machine without a clock that lost its state', () => {
    const server = started();
    server.link('X', { boot: 100, max: 3 });
    server.unlink('X');
    server.link('X', { boot: 7, seq: 1, max: 4 });
    expect(server.status.peers[0]?.max).toBe(4);
  });

  it('that are linked are spoken for by the run that was confirmed: a second machine with their key moves nobody', () => {
    const server = new ServerUnderTest();
    server.start();
    server.stream('A');
    server.link('X', { boot: 5 });
    const effects = server.hear('X', { boot: 6, features: ['record', 'gpu'] }, 'link');
    expect(redirects([...effects, ...server.wait(60_000)])).toEqual([]);
    expect(only(effects, 'call')).toMatchObject([{ id: serverIdOf('X'), isNewBoot: true }]);
    server.unlink('X');
    server.link('X', { boot: 6, features: ['record', 'gpu'] });
    expect(redirects(server.wait(20_000))).toEqual(['A→X rank']);
  });

  it('are at most 50: the one not heard for longest goes, never a linked one', () => {
    const server = started();
    const letters = Array.from({ length: 52 }, (_, index) =>
      String.fromCodePoint(97 + (index % 26) - (index < 26 ? 0 : 32)),
    );
    const names = letters.filter((letter) => letter !== 'M');
    const [first = 'a', second = 'b', ...others] = names;
    server.link(first);
    server.hear(second, {}, 'multicast');
    const effects = others.flatMap((letter) => server.hear(letter, {}, 'multicast'));
    expect(only(effects, 'forget').map(({ id }) => id)).toEqual([serverIdOf(second)]);
    expect(server.status.peers.length).toBe(50);
  });

  it('are told when somebody announces with our key or our identifier; nobody moves', () => {
    const server = started();
    server.stream('A');
    const effects = server.hear('M', { features: ['record', 'gpu'] }, 'multicast');
    expect(only(effects, 'dropped').map(({ reason }) => reason)).toEqual(['own-id']);
    expect(warnings(effects)).toEqual(['IdentityConflict']);
    expect(warnings(server.tell({ kind: 'ownMessage', detail: 'x' }))).toEqual([]);
    server.wait(10_000);
    expect(warnings(server.tell({ kind: 'ownMessage', detail: 'x' }))).toEqual(['IdentityConflict']);
    expect(redirects(effects)).toEqual([]);
  });

  it('that are linked are named by their keys, so that their datagrams are dropped', () => {
    const server = started();
    expect(only(server.link('X'), 'linkedLeafs').at(-1)?.spkiSha256).toEqual(['key-X']);
    expect(only(server.unlink('X'), 'linkedLeafs').at(-1)?.spkiSha256).toEqual([]);
  });

  it('that started anew are called without waiting', () => {
    const server = started();
    expect(only(server.hear('X', { boot: 1 }, 'multicast'), 'call')[0]?.isNewBoot).toBe(false);
    expect(only(server.hear('X', { boot: 1 }, 'multicast'), 'call')).toEqual([]);
    expect(only(server.hear('X', { boot: 2 }, 'multicast'), 'call')[0]?.isNewBoot).toBe(true);
  });
});

describe('saved state', () => {
  it('is read back as it was written, whatever a text file does to it', () => {
    const server = started();
    const saved = only([...server.link('X'), ...server.unlink('X')], 'save').at(-1)?.saved;
    expect(parseSavedServer(JSON.parse(JSON.stringify(saved)))).toEqual(saved);
  });

  it.each([undefined, 7, {}, { boot: -1, peers: [] }, { boot: 1 }, { boot: 1.5, peers: [] }])(
    'is nothing where it is not ours: %j',
    (value) => {
      expect(parseSavedServer(value)).toBeUndefined();
    },
  );

  it('leaves out peers and addresses that are none', () => {
    const peer = { id: serverIdOf('X'), name: 'x', holdMs: 0, lostAt: 0, returnedAt: 1 };
    const endpoints = [{ ip: 'fd00::1', port: 1 }, { ip: 'nuc', port: 1 }, 7];
    expect(
      parseSavedServer({ boot: 1, peers: [{ ...peer, endpoints }, { ...peer, id: 'x', endpoints }, 7] }),
    ).toEqual({
      boot: 1,
      peers: [{ ...peer, endpoints: [{ ip: 'fd00::1', port: 1 }] }],
    });
  });
});

const better = { features: ['record', 'gpu'] };

/** The link to X is lost, and up again. */
function fall(server: ServerUnderTest): void {
  server.unlink('X');
  // What it was sent to is answered for: it never arrived.
  server.wait(31_000);
  server.link('X', better);
}

function refuse(server: ServerUnderTest, session: number, reason: 'unreachable' | 'full' | 'budget'): void {
  const refused = { kind: 'refused', id: serverIdOf('X'), reason } as const;
  server.tell({
    kind: 'refused',
    session,
    refused: reason === 'budget' ? { ...refused, retryAfterMs: 12_000 } : refused,
  });
}

describe('status', () => {
  it('says who stands where and why', () => {
    const server = started();
    server.stream('A');
    server.link('X', { features: ['record', 'gpu'], connected: 5 });
    server.link('Y', { max: 3 });
    const { clients, ranking, peers } = server.status;
    expect(clients[0]?.why).toBe(
      'peer-X is better (level 2 (record+gpu) against 1 (record)), but: full (5 of 5)',
    );
    expect(ranking.map(({ name, why }) => `${name}: ${why}`)).toEqual([
      'peer-X: before me: level 2 (record+gpu) against 1 (record)',
      'me: before peer-Y: same level 1, max 5 against 3',
      'peer-Y: last',
    ]);
    expect(peers.map(({ obstacle }) => obstacle)).toEqual(['full', undefined]);
  });

  it.each<[string, (server: ServerUnderTest, session: number) => void, string]>([
    ['is held down', (server) => fall(server), 'held down, 5 s more, as its link was lost'],
    [
      'was refused',
      (server, session) => refuse(server, session, 'unreachable'),
      'refused (unreachable), 30 s more',
    ],
    ['is full for all', (server, session) => refuse(server, session, 'full'), 'refused (full), 30 s more'],
    [
      'waits for the budget',
      (server, session) => refuse(server, session, 'budget'),
      'the move budget of the client, 12 s more',
    ],
  ])('says why and for how long a client stays where its better server %s', (_what, happen, why) => {
    const server = started();
    const { session } = server.stream('A');
    server.link('X', better);
    happen(server, session);
    expect(server.status.clients[0]?.why).toBe(
      `peer-X is better (level 2 (record+gpu) against 1 (record)), but: ${why}`,
    );
  });

  it('names what a better server lacks, and each that is better', () => {
    const server = started();
    server.stream('A', { requires: ['record'] });
    server.link('X', { features: ['gpu', 'live'] });
    server.link('Y', { ...better, connected: 5 });
    expect(server.status.clients[0]?.why).toBe(
      'peer-X is better (level 2 (gpu+live) against 1 (record)), but: has no record; ' +
        'peer-Y is better (level 2 (record+gpu) against 1 (record)), but: full (5 of 5)',
    );
  });

  it('says who cannot take a client that cannot stay', () => {
    const server = started();
    server.stream('A', { requires: ['record'] });
    server.link('X', { features: ['gpu'] });
    server.link('Y', { connected: 5 });
    server.tell({ kind: 'health', feature: 'record', isHealthy: false });
    expect(server.status.clients[0]?.why).toBe(
      'cannot stay (requires), and nobody else can take it: peer-X has no record; peer-Y full (5 of 5)',
    );
  });

  it('says why a client is best where it is, or where it was sent', () => {
    const server = started();
    server.stream('A');
    expect(server.status.clients[0]?.why).toBe('no other server is confirmed');
    server.link('Y', { max: 3 });
    expect(server.status.clients[0]?.why).toBe('best here: same level 1, max 5 against 3 of peer-Y');
    server.link('X', { features: ['record', 'gpu'] });
    expect(server.status.clients[0]).toMatchObject({
      why: 'sent to peer-X (rank)',
      redirectedTo: serverIdOf('X'),
    });
  });
});
