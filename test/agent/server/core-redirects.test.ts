import { describe, expect, it } from 'vitest';
import { ServerUnderTest, only, redirects, serverIdOf } from '../../support/server-core.ts';

const better = { features: ['record', 'gpu'] };

function started(config = {}, options = {}): ServerUnderTest {
  const server = new ServerUnderTest(config, options);
  server.start();
  return server;
}

describe('a server with clients', () => {
  it.each([
    ['a higher level', { features: ['record', 'gpu'], max: 1 }, true],
    ['a lower level, however large', { features: [], max: 9 }, false],
    ['the same level and a larger max', { features: ['gpu'], max: 6 }, true],
    ['the same level and a smaller max', { features: ['gpu'], max: 4 }, false],
    ['all the same and an identifier behind ours', { features: ['gpu'], max: 5 }, false],
    ['a higher level and no room', { features: ['record', 'gpu'], max: 5, connected: 5 }, false],
    ['a higher level and max 0', { features: ['record', 'gpu'], max: 0 }, false],
  ])('sends its client to a newcomer or keeps it: %s', (_what, words, moves) => {
    const server = started();
    server.stream('A');
    expect(redirects(server.link('X', words))).toEqual(moves ? ['A→X rank'] : []);
  });

  it('sends its client to the same level and max where the identifier is first', () => {
    const server = started();
    server.stream('A');
    expect(redirects(server.link('B', {}))).toEqual(['A→B rank']);
  });

  it('moves nobody before its own call has confirmed the newcomer', () => {
    const server = started();
    server.stream('A');
    const heard = [
      ...server.hear('X', better, 'multicast'),
      ...server.hear('Y', better, 'link'),
      ...server.wait(20_000),
    ];
    expect(redirects(heard)).toEqual([]);
    expect(only(heard, 'call').map(({ id }) => id)).toEqual([serverIdOf('X'), serverIdOf('Y')]);
  });

  it('redirects as Fig 8B says, to the address that its own call reached', () => {
    const server = started();
    const { session } = server.stream('A');
    const [effect] = only(server.link('X', better), 'redirect');
    expect(effect).toEqual({
      kind: 'redirect',
      sessions: [session],
      redirect: {
        kind: 'redirect',
        to: 'ab:AAAAAAAAAAAAAAAAAAAAAA',
        from: serverIdOf('M'),
        target: { id: serverIdOf('X'), address: { ip: '10.0.0.1', port: 88 } },
        features: ['record', 'gpu'],
        also: [],
        why: 'rank',
      },
    });
  });

  it('says it once to ab:* when all go to the same for the same reason', () => {
    const server = started();
    const sessions = ['A', 'B', 'C'].map((letter) => server.stream(letter).session);
    const effects = server.link('X', better);
    expect(redirects(effects)).toEqual(['*→X rank']);
    expect(only(effects, 'redirect')[0]?.sessions).toEqual(sessions);
  });

  it('says it to single clients, first in order of identifiers, where there is not room for all', () => {
    const server = started();
    for (const letter of ['C', 'B', 'A']) server.stream(letter);
    expect(redirects(server.link('X', { ...better, max: 2 }))).toEqual(['A→X rank', 'B→X rank']);
  });

  it('counts its unanswered redirects as places that are taken, for 30 s', () => {
    const server = started();
    server.stream('A');
    expect(redirects(server.link('X', { ...better, max: 1 }))).toEqual(['A→X rank']);
    const { effects } = server.stream('B');
    expect(redirects([...effects, ...server.wait(29_000)])).toEqual([]);
    expect(redirects(server.wait(2000))).toEqual(['A→X rank']);
  });

  it('sends a client that waits for an answer nowhere else', () => {
    const server = started();
    server.stream('A');
    server.link('X', better);
    expect(redirects(server.link('Y', { features: ['record', 'gpu', 'live'] }))).toEqual([]);
  });

  it('ranks by what each client wants', () => {
    const server = started({ features: ['record', 'live'] });
    server.stream('A', { weights: { gpu: 4 } });
    server.stream('B');
    server.stream('C', { requires: ['live'], weights: { gpu: 4 } });
    expect(redirects(server.link('X', { features: ['gpu'] }))).toEqual(['A→X rank']);
  });

  it('sends no client that does not stream to it', () => {
    const server = started();
    server.hello('A');
    const { session } = server.stream('B');
    server.end(session);
    expect(redirects(server.link('X', better))).toEqual([]);
    expect(redirects(server.tell({ kind: 'begun', session }))).toEqual(['B→X rank']);
  });

  it('sends a client again that had left and came back, as its next server was lost', () => {
    const server = started();
    const { session } = server.stream('A');
    server.link('X', better);
    server.end(session);
    server.link('Y', better);
    expect(redirects(server.tell({ kind: 'begun', session }))).toEqual(['A→X rank']);
  });

  it('sends all streams of a client as one', () => {
    const server = started();
    const main = server.stream('A');
    const sub = server.stream('A', { stream: 'sub' });
    const effects = server.link('X', better);
    expect(redirects(effects)).toEqual(['A→X rank']);
    expect(only(effects, 'redirect')[0]?.sessions).toEqual([main.session, sub.session]);
  });
});

describe('a server that is not eligible', () => {
  it('sends clients that require what it lost, for that reason', () => {
    const server = started();
    server.stream('A', { requires: ['record'] });
    server.stream('B');
    server.link('X', { max: 4 });
    expect(redirects(server.configure({ features: ['web'] }))).toEqual(['A→X requires']);
  });

  it('keeps those that require what nobody has', () => {
    const server = started();
    server.stream('A', { requires: ['record'] });
    server.link('X', { features: ['web'], max: 4 });
    expect(redirects(server.configure({ features: [] }))).toEqual([]);
  });

  it('sends the last in code point order when its max was lowered, and keeps them if nobody has room', () => {
    const server = started();
    for (const letter of ['A', 'B', 'C']) server.stream(letter);
    expect(redirects(server.configure({ max: 1 }))).toEqual([]);
    expect(redirects(server.link('X', { features: [], max: 1 }))).toEqual(['B→X full']);
  });

  it('sends everybody away when it drains, even for worse and without what they require', () => {
    const server = started();
    server.stream('A', { requires: ['record'], moveAfterMs: 3_000_000 });
    server.stream('B');
    server.link('X', { features: [], max: 4 });
    expect(redirects(server.configure({ isDrained: true }))).toEqual(['*→X drain']);
  });

  it('prefers who has all that is required, then who is not held down', () => {
    const server = started();
    server.link('W', { features: ['record'], max: 3 });
    server.link('X', { features: ['a', 'b', 'c'], max: 3 });
    server.link('Y', { features: ['record', 'b', 'c', 'd'], max: 3 });
    server.unlink('Y');
    server.link('Y', { features: ['record', 'b', 'c', 'd'], max: 3 });
    server.configure({ isDrained: false, features: ['record', 'x', 'y', 'z', 'q'] });
    const first = server.stream('A', { requires: ['record'] });
    expect(redirects(server.configure({ isDrained: true }))).toEqual(['A→W drain']);
    expect(redirects(server.refuse(first.session, 'W', 'unreachable'))).toEqual(['A→Y drain']);
    expect(redirects(server.refuse(first.session, 'Y', 'unreachable'))).toEqual(['A→X drain']);
  });
});

describe('mode AnyValid', () => {
  it('goes to the later boot whatever it can', () => {
    const server = started();
    server.stream('A', { mode: 'AnyValid' });
    expect(redirects(server.link('X', { features: [], max: 1, boot: 1_800_000_000_000 }))).toEqual([
      'A→X rank',
    ]);
  });

  it('never goes to an earlier boot while its server is eligible', () => {
    const server = started();
    server.stream('A', { mode: 'AnyValid' });
    expect(redirects(server.link('X', { features: ['record', 'gpu'], boot: 5 }))).toEqual([]);
  });

  it('chooses by rank among all where its server is not eligible', () => {
    const server = started();
    server.stream('A', { mode: 'AnyValid' });
    server.link('X', { features: ['a', 'b'], boot: 5 });
    server.link('Y', { features: ['a'], boot: 6 });
    expect(redirects(server.configure({ isDrained: true }))).toEqual(['A→X drain']);
  });
});

describe('few places and many servers', () => {
  it('waits a random time up to 500 ms × servers / places, then sends one at a time', () => {
    const server = started({}, { random: () => 0.5 });
    for (const letter of ['A', 'B', 'C']) server.stream(letter);
    server.link('P', { features: [], connected: 1 });
    server.link('Q', { features: [], connected: 1 });
    const early = server.link('X', { ...better, max: 2 });
    expect(redirects([...early, ...server.wait(300)])).toEqual([]);
    expect(redirects(server.wait(100))).toEqual(['A→X rank']);
    expect(redirects(server.wait(1000))).toEqual([]);
  });

  it('does not wait where there are places for all servers', () => {
    const server = started();
    server.stream('A');
    server.link('P', { features: [], connected: 1 });
    expect(redirects(server.link('X', { ...better, max: 2 }))).toEqual(['A→X rank']);
  });
});

describe('the move budget', () => {
  it('is waited for by a better rank', () => {
    const server = started();
    server.stream('A', { moveAfterMs: 30_000 });
    expect(redirects([...server.link('X', better), ...server.wait(29_000)])).toEqual([]);
    expect(redirects(server.wait(2000))).toEqual(['A→X rank']);
  });

  it('is nothing to a server that is not eligible', () => {
    const server = started();
    server.stream('A', { moveAfterMs: 30_000, requires: ['record'] });
    server.link('X', better);
    expect(redirects(server.configure({ features: [] }))).toEqual(['A→X requires']);
  });

  it('is learned from a refusal as well', () => {
    const server = started();
    const { session } = server.stream('A');
    server.link('X', better);
    expect(redirects([...server.refuse(session, 'X', 'budget', 40_000), ...server.wait(39_000)])).toEqual([]);
    expect(redirects(server.wait(2000))).toEqual(['A→X rank']);
  });
});

describe('refusals', () => {
  it('are remembered for that client and server, 30 s, then twice as long, up to 5 min', () => {
    const server = started();
    const { session } = server.stream('A');
    server.link('X', better);
    for (const seconds of [30, 60, 120, 240, 300, 300]) {
      expect(
        redirects([...server.refuse(session, 'X', 'unreachable'), ...server.wait(seconds * 1000 - 500)]),
      ).toEqual([]);
      expect(redirects(server.wait(1000))).toEqual(['A→X rank']);
    }
  });

  it('of one client hold back no other', () => {
    const server = started();
    const { session } = server.stream('A');
    server.link('X', better);
    server.refuse(session, 'X', 'unreachable');
    expect(redirects(server.stream('B').effects)).toEqual(['B→X rank']);
  });

  it('let a client go to the next best at once', () => {
    const server = started();
    const { session } = server.stream('A');
    server.link('X', { features: ['record', 'gpu', 'live'] });
    server.link('Y', better);
    expect(redirects(server.refuse(session, 'X', 'unreachable'))).toEqual(['A→Y rank']);
  });

  it('for a full server hold for everybody until it announces room', () => {
    const server = started();
    const { session } = server.stream('A');
    server.link('X', better);
    server.refuse(session, 'X', 'full');
    expect(redirects(server.stream('B').effects)).toEqual([]);
    expect(redirects(server.hear('X', { ...better, connected: 1 }))).toEqual(['*→X rank']);
  });

  it('that are no `full` outlive an announcement with room', () => {
    const server = started();
    const { session } = server.stream('A');
    server.link('X', better);
    server.refuse(session, 'X', 'unreachable');
    expect(redirects(server.hear('X', { ...better, connected: 1 }))).toEqual([]);
  });

  it('for a hold-down end when the client says', () => {
    const server = started();
    const { session } = server.stream('A');
    server.link('X', better);
    expect(redirects([...server.refuse(session, 'X', 'held', 10_000), ...server.wait(9900)])).toEqual([]);
    expect(redirects(server.wait(200))).toEqual(['A→X rank']);
  });
});

describe('hold-down', () => {
  function flap(server: ServerUnderTest, downMs = 100): readonly string[] {
    server.unlink('X');
    server.wait(downMs);
    return redirects(server.link('X', better));
  }

  it('lets a server that was never seen before win at once', () => {
    const server = started();
    server.stream('A');
    expect(redirects(server.link('X', better))).toEqual(['A→X rank']);
  });

  it('is 5 s from the return, doubling to 1 h', () => {
    const server = started();
    server.link('X', better);
    const { session } = server.stream('A', { moveAfterMs: 10_000 });
    server.leave(session);
    for (const seconds of [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]) {
      expect(flap(server)).toEqual([]);
      expect(server.status.peers[0]?.heldForMs).toBeGreaterThan(seconds * 1000 - 500);
      expect(server.status.peers[0]?.heldForMs).toBeLessThanOrEqual(seconds * 1000);
    }
  });

  it('ends by itself and then the client goes', () => {
    const server = started();
    server.link('X', better);
    expect(flap(server)).toEqual([]);
    expect(redirects(server.stream('A').effects)).toEqual([]);
    expect(redirects(server.wait(5000))).toEqual(['A→X rank']);
  });

  it('is forgotten after 10 min of health', () => {
    const server = started();
    server.link('X', better);
    flap(server);
    flap(server);
    server.wait(601_000);
    flap(server);
    expect(server.status.peers[0]?.heldForMs).toBeLessThanOrEqual(5000);
  });

  it('is not forgotten before twice its length where that is longer', () => {
    const server = started();
    server.link('X', better);
    for (let turn = 0; turn < 8; turn += 1) flap(server);
    server.wait(700_000);
    flap(server);
    expect(server.status.peers[0]?.heldForMs).toBeGreaterThan(1_200_000);
  });

  it('is forgotten after a day of absence', () => {
    const server = started();
    server.link('X', better);
    flap(server);
    flap(server, 86_500_000);
    expect(server.status.peers[0]?.heldForMs).toBe(0);
  });

  it('is not held against a peer that said that it goes', () => {
    const server = started();
    server.link('X', better);
    server.hear('X', { ...better, max: 0 });
    server.unlink('X');
    server.link('X', better);
    expect(redirects(server.stream('A').effects)).toEqual(['A→X rank']);
  });

  it('is remembered over a restart', () => {
    const server = started();
    const effects = [...server.link('X', better), ...server.unlink('X')];
    const saved = only(effects, 'save').at(-1)?.saved;
    const again = new ServerUnderTest({}, saved === undefined ? {} : { saved });
    const first = again.start();
    expect(only(first, 'call').map(({ id }) => id)).toEqual([serverIdOf('X')]);
    again.stream('A');
    expect(redirects(again.link('X', better))).toEqual([]);
    expect(redirects(again.wait(5000))).toEqual(['A→X rank']);
  });
});
