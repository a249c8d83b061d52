import { describe, expect, it } from 'vitest';
import { ClientScript, type Letter, candidateOf, idOf } from '../../support/client-script.ts';

const servers = (...letters: readonly Letter[]) => letters.map(candidateOf);
const dialed = (script: ClientScript) => script.of('dial').map(({ expectId }) => expectId);

describe('the first server', () => {
  it('is dialed at once, the next ones 300 ms apart, and the first welcome wins', () => {
    const script = new ClientScript({ servers: servers('A', 'B', 'C') });
    expect(dialed(script)).toEqual([idOf('A')]);
    script.pass(700);
    expect(dialed(script)).toEqual([idOf('A'), idOf('B'), idOf('C')]);
    script.welcome('B');
    expect(script.of('close').map(({ session }) => session)).toEqual([
      script.session('A'),
      script.session('C'),
    ]);
    script.produce(10);
    expect(script.of('begin')).toMatchObject([{ session: script.session('B'), offset: 0, why: 'start' }]);
    expect(script.told('connected')).toMatchObject([{ to: 'b' }]);
    expect(script.told('handedOver')).toEqual([]);
  });

  it('is looked for round and round, with longer and longer pauses', () => {
    const script = new ClientScript({ servers: servers('A') });
    const dials: number[] = [];
    const startMs = script.nowMs;
    while (script.nowMs < startMs + 60_000) {
      script.forget();
      script.pass(100);
      for (const { session } of script.of('dial')) {
        dials.push(script.nowMs - startMs);
        script.tell({ kind: 'dialFailed', session, reason: 'unreachable', detail: 'no' });
      }
      if (dials.length === 0) {
        script.tell({
          kind: 'dialFailed',
          session: script.session('A'),
          reason: 'unreachable',
          detail: 'no',
        });
      }
    }
    expect(dials.length).toBeGreaterThan(10);
    expect(dials.length).toBeLessThan(40);
  });

  it('is taken from announcements where nobody is known', () => {
    const script = new ClientScript({ servers: [] });
    script.pass(5000);
    expect(dialed(script)).toEqual([]);
    script.tell({ kind: 'heard', server: candidateOf('B') });
    script.pass(400);
    expect(dialed(script)).toEqual([idOf('B')]);
  });

  it('gets the bytes that were made before it was found', () => {
    const script = new ClientScript();
    script.produceCut(100);
    script.welcome('A');
    expect(script.of('begin')).toMatchObject([{ offset: 0, why: 'start' }]);
    expect(script.sent('A')).toBe(100);
  });
});

describe('loss', () => {
  it.each(['reset', 'fin', 'error', 'untrusted'] as const)(
    'by %s sends the client to its list at once',
    (how) => {
      const script = new ClientScript().startAtA();
      script.peers('A', 'B', 'C');
      script.produce(20);
      script.forget();
      script.tell({ kind: 'closed', session: script.session('A'), how, detail: 'gone' });
      expect(dialed(script)).toEqual([idOf('B')]);
      script.welcome('B');
      expect(script.of('begin')).toMatchObject([{ offset: 0, why: 'replay' }]);
      script.ackAll('B');
      expect(script.told('handedOver')).toMatchObject([{ from: 'a', to: 'b', reason: how, framesLost: 0 }]);
    },
  );

  it('is silence for ackTimeout with bytes that are not durable', () => {
    const script = new ClientScript().startAtA();
    script.peers('A', 'B');
    script.pass(500);
    script.produce(10);
    script.pass(900);
    expect(dialed(script)).not.toContain(idOf('B'));
    script.pass(200);
    expect(dialed(script)).toContain(idOf('B'));
    expect(script.told('disconnected')).toMatchObject([{ from: 'a', reason: 'silent' }]);
  });

  it('is silence for three seconds where nothing is outstanding', () => {
    const script = new ClientScript().startAtA();
    script.peers('A', 'B');
    script.pass(2900);
    expect(dialed(script)).not.toContain(idOf('B'));
    script.pass(200);
    expect(dialed(script)).toContain(idOf('B'));
  });

  it('is not lag: a server that says lines and makes nothing durable is there', () => {
    const script = new ClientScript().startAtA();
    script.peers('A', 'B');
    script.produce(10);
    script.pass(5000, 'A');
    expect(script.core.phase.name).toBe('stream');
  });

  it('is not our own loop standing still', () => {
    const script = new ClientScript().startAtA();
    script.produce(10);
    script.nowMs += 30_000;
    script.tell({ kind: 'tick' });
    script.ackAll('A');
    expect(script.core.phase.name).toBe('stream');
  });

  it('of a waiting session closes it and nothing else', () => {
    const script = new ClientScript().startAtA();
    script.produce(0, [], [256]);
    script.redirect('A', 'B');
    script.welcome('B');
    script.produceCut(10);
    script.pass(1100, 'A', 'B');
    expect(script.core.sessions.get(script.session('A'))?.stage).toBe('ended');
    script.ackAll('B');
    script.forget();
    script.pass(1200, 'B');
    expect(script.of('close')).toMatchObject([{ session: script.session('A'), how: 'abandoned' }]);
    expect(script.core.phase).toEqual({ name: 'stream', current: script.session('B') });
  });
});

describe('the list', () => {
  it('is the newest peers, older ones, whom it streamed to, the one just lost last, then the configured', () => {
    const script = new ClientScript({ servers: servers('A', 'D') }).startAtA();
    script.peers('A', 'B');
    script.peers('A', 'C');
    script.forget();
    script.tell({ kind: 'closed', session: script.session('A'), how: 'reset', detail: 'gone' });
    script.pass(1000);
    expect(dialed(script)).toEqual([idOf('C'), idOf('B'), idOf('A'), idOf('D')]);
  });

  it('names each server once, with every address that is known of it', () => {
    const script = new ClientScript().startAtA();
    script.peers('A', 'B');
    const [old] = candidateOf('B').endpoints;
    const moved = { ip: '127.0.0.9', port: 9 };
    script.tell({ kind: 'heard', server: { id: idOf('B'), endpoints: [moved] } });
    script.forget();
    script.tell({ kind: 'closed', session: script.session('A'), how: 'reset', detail: 'gone' });
    script.pass(1000);
    expect(script.of('dial').filter(({ expectId }) => expectId === idOf('B'))).toMatchObject([
      { endpoints: [old, moved] },
    ]);
  });

  it('goes to the next at once where a handshake fails or somebody says bye', () => {
    const script = new ClientScript().startAtA();
    script.peers('A', 'B', 'C', 'D');
    script.forget();
    script.tell({ kind: 'closed', session: script.session('A'), how: 'reset', detail: 'gone' });
    script.tell({ kind: 'dialFailed', session: script.session('B'), reason: 'untrusted', detail: 'no' });
    expect(dialed(script)).toEqual([idOf('B'), idOf('C')]);
    script.tell({ kind: 'bye', session: script.session('C'), reason: 'full' });
    expect(dialed(script)).toEqual([idOf('B'), idOf('C'), idOf('D')]);
  });

  it('gives each a second', () => {
    const script = new ClientScript().startAtA();
    script.peers('A', 'B');
    script.tell({ kind: 'closed', session: script.session('A'), how: 'reset', detail: 'gone' });
    const b = script.session('B');
    script.pass(900);
    expect(script.core.sessions.has(b)).toBe(true);
    script.pass(200);
    expect(script.core.sessions.has(b)).toBe(false);
  });

  it('closes a waiting session before it dials the same server anew', () => {
    const script = new ClientScript().startAtA();
    script.produce(0, [], [256]);
    script.redirect('A', 'B');
    script.welcome('B');
    script.produceCut(10);
    script.pass(1100, 'A', 'B');
    const waiting = script.session('A');
    expect(script.core.phase).toMatchObject({ name: 'stream', current: script.session('B') });
    script.forget();
    script.tell({ kind: 'closed', session: script.session('B'), how: 'reset', detail: 'gone' });
    script.pass(300);
    expect(script.of('close').at(-1)).toEqual({ kind: 'close', session: waiting, how: 'abandoned' });
    script.welcome('A');
    expect(script.of('begin')).toMatchObject([{ session: script.session('A'), offset: 100, why: 'replay' }]);
  });

  it('is remembered for the next start, whom it streams to first', () => {
    const script = new ClientScript().startAtA();
    script.peers('A', 'B', 'C');
    expect(
      script
        .of('remember')
        .at(-1)
        ?.servers.map(({ id }) => id),
    ).toEqual([idOf('A'), idOf('B'), idOf('C')]);
  });
});

describe('bye', () => {
  it.each(['draining', 'stopped', 'full'] as const)(
    '%s sends to the list and leaves no hold-down',
    (reason) => {
      const script = new ClientScript().startAtA();
      script.peers('A', 'B');
      script.tell({ kind: 'bye', session: script.session('A'), reason });
      expect(dialed(script)).toContain(idOf('B'));
      expect(script.core.holds.size).toBe(0);
      // A word of the hello, or the next server would refuse it as no document.
      expect(script.of('dial').at(-1)?.hello.leftWhy).toBe(`bye-${reason}`);
    },
  );

  it('error leaves a hold-down', () => {
    const script = new ClientScript().startAtA();
    script.tell({ kind: 'bye', session: script.session('A'), reason: 'error' });
    expect(script.core.holds.has(idOf('A'))).toBe(true);
  });

  it('replaced ends the client for good', () => {
    const script = new ClientScript().startAtA();
    script.tell({ kind: 'bye', session: script.session('A'), reason: 'replaced', term: 9 });
    expect(script.of('stop')).toEqual([{ kind: 'stop', reason: 'replaced', term: 9 }]);
    script.forget();
    script.pass(60_000);
    expect(script.effects).toEqual([]);
  });
});

describe('hold-down', () => {
  it('refuses a redirect for rank to a server that it lost lately, and says for how long', () => {
    const script = new ClientScript().startAtA();
    script.peers('A', 'B');
    script.tell({ kind: 'closed', session: script.session('A'), how: 'reset', detail: 'gone' });
    script.welcome('B');
    script.ackAll('B');
    script.pass(1000, 'B');
    script.redirect('B', 'A');
    expect(script.of('refused')).toMatchObject([{ id: idOf('A'), reason: 'held', retryAfterMs: 4000 }]);
    script.redirect('B', 'A', 'drain');
    expect(script.core.phase.name).toBe('dial');
  });

  it('doubles with each loss, to an hour, and is forgotten after ten minutes of health', () => {
    const script = new ClientScript().startAtA();
    const lengths: number[] = [];
    const lose = (): void => {
      script.tell({ kind: 'closed', session: script.session('A'), how: 'reset', detail: 'gone' });
      lengths.push(script.core.holds.get(idOf('A'))?.lengthMs ?? 0);
      script.pass(400);
      script.welcome('A');
    };
    for (let i = 0; i < 12; i += 1) lose();
    expect(lengths).toEqual([
      5000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 1_280_000, 2_560_000, 3_600_000,
      3_600_000,
    ]);
    script.nowMs += 3 * 3_600_000;
    lose();
    expect(lengths.at(-1)).toBe(5000);
  });
});

describe('the end of a source', () => {
  it('is said, and the client stops when everything is durable', () => {
    const script = new ClientScript().startAtA();
    script.produce(10);
    script.tell({ kind: 'sourceEnded' });
    expect(script.of('end')).toMatchObject([{ offset: 110 }]);
    expect(script.of('stop')).toEqual([]);
    script.ackAll('A');
    expect(script.of('stop')).toEqual([{ kind: 'stop', reason: 'finished' }]);
    expect(script.of('close')).toMatchObject([{ session: script.session('A'), how: 'done' }]);
  });

  it('is said again elsewhere where the server is lost before that', () => {
    const script = new ClientScript().startAtA();
    script.peers('A', 'B');
    script.produce(10);
    script.tell({ kind: 'sourceEnded' });
    script.tell({ kind: 'closed', session: script.session('A'), how: 'reset', detail: 'gone' });
    script.welcome('B');
    expect(script.of('end').at(-1)).toMatchObject({ session: script.session('B'), offset: 110 });
    script.ackAll('B');
    expect(script.of('stop')).toEqual([{ kind: 'stop', reason: 'finished' }]);
  });
});

describe('bytes that do not continue', () => {
  it('a new source session is a begin at its offset, in the same part of the stream', () => {
    const script = new ClientScript().startAtA();
    script.forget();
    script.tell({ kind: 'restarted' });
    // Its tables are not known before its first bytes.
    expect(script.of('begin')).toEqual([]);
    script.produce(10);
    expect(script.of('begin')).toMatchObject([{ offset: 100, why: 'source', inject: true }]);
    expect(script.sent('A')).toBe(110);
  });

  it('one that waits in the ring is a begin when the bytes before it are sent', () => {
    const script = new ClientScript();
    script.produceCut(100);
    script.tell({ kind: 'restarted' });
    script.produceCut(50);
    script.welcome('A');
    const said = script.effects.filter(({ kind }) => kind === 'begin' || kind === 'send');
    expect(said).toMatchObject([
      { kind: 'begin', offset: 0, why: 'start' },
      { kind: 'send', upTo: 100 },
      { kind: 'begin', offset: 100, why: 'source' },
      { kind: 'send', upTo: 150 },
    ]);
  });

  it('another PMT or codec is a begin too', () => {
    const script = new ClientScript().startAtA();
    script.forget();
    script.produce(20, [{ kind: 'change', offset: 105, what: 'codec' }]);
    expect(script.of('begin')).toMatchObject([{ offset: 105, why: 'codec' }]);
  });
});
