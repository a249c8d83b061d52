import { describe, expect, it } from 'vitest';
import { ClientScript, candidateOf, idOf } from '../../support/client-script.ts';

/** At A with 100 bytes durable, redirected to B, which has welcomed us. */
function untilWelcome(): ClientScript {
  const script = new ClientScript().startAtA();
  script.redirect('A', 'B');
  script.welcome('B');
  return script;
}

/** As above, and the cut is at 110, where A has 100 bytes durable and was told `end`. */
function untilEnd(): ClientScript {
  const script = untilWelcome();
  script.produce(10);
  script.produceCut(10);
  expect(script.of('end')).toMatchObject([{ session: script.session('A'), offset: 110 }]);
  expect(script.core.phase.name).toBe('waitDurable');
  script.forget();
  return script;
}

describe('a redirect, step by step', () => {
  it('dials the server that the redirect names, and only that one', () => {
    const script = new ClientScript().startAtA();
    script.forget();
    script.redirect('A', 'B');
    expect(script.of('dial')).toEqual([
      {
        kind: 'dial',
        session: script.session('B'),
        endpoints: candidateOf('B').endpoints,
        expectId: idOf('B'),
        hello: { moveAfterMs: 0, left: idOf('A'), leftWhy: 'rank' },
      },
    ]);
    expect(script.core.phase.name).toBe('dial');
  });

  it('goes on at A until a cut behind the welcome', () => {
    const script = untilWelcome();
    script.produce(50);
    expect(script.sent('A')).toBe(150);
    expect(script.of('end')).toEqual([]);
    script.produceCut(10);
    expect(script.of('end')).toEqual([{ kind: 'end', session: script.session('A'), offset: 150 }]);
  });

  it('does not take a cut from before the welcome', () => {
    const script = new ClientScript().startAtA();
    script.redirect('A', 'B');
    script.produceCut(10);
    script.welcome('B');
    script.produce(10);
    expect(script.core.phase.name).toBe('waitCut');
  });

  it('does not take a cut that the ring holds no more when it is told', () => {
    const script = new ClientScript({ share: 100 });
    script.welcome('A');
    script.produce(100);
    script.ackAll('A');
    script.redirect('A', 'B');
    script.welcome('B');
    script.produce(40);
    script.ackAll('A');
    script.produce(70);
    script.ackAll('A');
    script.produce(10, [{ kind: 'cut', offset: 110, quality: 'idr' }]);
    expect(script.core.ringStart).toBeGreaterThan(110);
    script.produce(10);
    expect(script.core.phase.name).toBe('waitCut');
    script.produceCut(10);
    expect(script.told('cut')).toMatchObject([{ offset: 230 }]);
  });

  it('takes the cut at the very end of what was made, where lines end there', () => {
    const script = new ClientScript({ config: { media: 'text/plain' } });
    script.welcome('A');
    script.produce(20, [{ kind: 'cut', offset: 20, quality: 'idr' }]);
    script.ackAll('A');
    script.redirect('A', 'B');
    script.forget();
    script.welcome('B');
    expect(script.of('begin')).toMatchObject([{ session: script.session('B'), offset: 20, why: 'handover' }]);
  });

  describe('of a stream whose IDR pictures come every 2 s, with open places to cut at between', () => {
    /** Streams up to 100 ms behind its third IDR picture, then is redirected and welcomed. */
    function untilMixedWelcome(cutWaitMs = 10_000): ClientScript {
      const script = new ClientScript({ config: { cutWaitMs } });
      script.welcome('A');
      for (let half = 0; half <= 8; half += 1) {
        mark(script, half % 4 === 0 ? 'idr' : 'recovery');
        pass(script, half === 8 ? 100 : 500);
      }
      script.redirect('A', 'B');
      script.welcome('B');
      return script;
    }

    function mark(script: ClientScript, quality: 'idr' | 'recovery'): number {
      const offset = script.core.produced;
      script.produce(10, [{ kind: 'cut', offset, quality }]);
      script.ackAll('A');
      return offset;
    }

    /** The camera gives a frame each 100 ms. */
    function pass(script: ClientScript, ms: number): void {
      for (let passedMs = 0; passedMs < ms; passedMs += 100) {
        script.nowMs += 100;
        script.produce(1);
        script.ackAll('A');
      }
    }

    it('waits for the IDR picture', () => {
      const script = untilMixedWelcome();
      for (const wait of [400, 500, 500]) {
        pass(script, wait);
        mark(script, 'recovery');
        expect(script.told('cut')).toEqual([]);
      }
      pass(script, 500);
      const offset = mark(script, 'idr');
      expect(script.told('cut')).toMatchObject([{ offset, quality: 'idr' }]);
    });

    it('takes another place where that picture does not come in time', () => {
      const script = untilMixedWelcome();
      pass(script, 400);
      mark(script, 'recovery');
      pass(script, 2000);
      expect(script.told('cut')).toEqual([]);
      const offset = mark(script, 'recovery');
      pass(script, 400);
      expect(script.told('cut')).toMatchObject([{ offset, quality: 'recovery' }]);
    });

    it('waits no longer than `cutWait`', () => {
      const script = untilMixedWelcome(1000);
      pass(script, 400);
      const offset = mark(script, 'recovery');
      pass(script, 500);
      expect(script.told('cut')).toEqual([]);
      pass(script, 200);
      expect(script.told('cut')).toMatchObject([{ offset, quality: 'recovery' }]);
    });

    it('takes the IDR picture also where another place is told with it', () => {
      const script = untilMixedWelcome();
      pass(script, 1900);
      const offset = script.core.produced;
      script.produce(20, [
        { kind: 'cut', offset, quality: 'idr' },
        { kind: 'cut', offset: offset + 10, quality: 'recovery' },
      ]);
      expect(script.told('cut')).toMatchObject([{ offset, quality: 'idr' }]);
    });

    it('takes any place where only one IDR picture was ever seen', () => {
      const script = new ClientScript();
      script.welcome('A');
      mark(script, 'idr');
      pass(script, 500);
      script.redirect('A', 'B');
      script.welcome('B');
      const offset = mark(script, 'recovery');
      expect(script.told('cut')).toMatchObject([{ offset, quality: 'recovery' }]);
    });
  });

  it('begins at B only when A has made everything up to the cut durable', () => {
    const script = untilEnd();
    script.ack('A', 109);
    expect(script.of('begin')).toEqual([]);
    script.ack('A', 110);
    expect(script.of('begin')).toMatchObject([
      { session: script.session('B'), offset: 110, why: 'handover', inject: true },
    ]);
    expect(script.sent('B')).toBe(120);
  });

  it('lets A have the bytes until each PID has begun a new PES packet behind the cut', () => {
    const script = untilWelcome();
    script.produce(0, [], [256, 257]);
    script.produce(10, [
      { kind: 'pes', offset: 100, pid: 256, isVideo: true },
      { kind: 'cut', offset: 100, quality: 'idr' },
    ]);
    script.produce(10, [{ kind: 'pes', offset: 112, pid: 256, isVideo: true }]);
    expect(script.of('end')).toEqual([]);
    script.blocked.add('A');
    script.produce(30, [{ kind: 'pes', offset: 125, pid: 257, isVideo: false }]);
    expect(script.of('send').at(-1)).toMatchObject({ session: script.session('A'), upTo: 125 });
    script.blocked.clear();
    script.tell({ kind: 'tick' });
    expect(script.of('end')).toMatchObject([{ session: script.session('A'), offset: 125 }]);
  });

  it('ends the old part after a second where a PID is silent', () => {
    const script = untilWelcome();
    script.produce(0, [], [256, 257]);
    script.produceCut(10);
    script.pass(900, 'A', 'B');
    expect(script.of('end')).toEqual([]);
    script.pass(200, 'A', 'B');
    expect(script.of('end')).toMatchObject([{ offset: 110 }]);
  });

  it('goes on where A takes its waiting session for one that was given up, and stops where another took its place', () => {
    const own = untilEnd();
    // Not durable in time: B has begun, A waits.
    own.pass(10_100, 'A', 'B');
    own.tell({ kind: 'bye', session: own.session('A'), reason: 'replaced', term: 7 });
    expect(own.of('stop')).toEqual([]);
    const other = untilEnd();
    other.pass(10_100, 'A', 'B');
    other.tell({ kind: 'bye', session: other.session('A'), reason: 'replaced', term: 8 });
    expect(other.of('stop')).toMatchObject([{ reason: 'replaced', term: 8 }]);
  });

  it('gives A its FIN when all that it got is durable', () => {
    const script = untilWelcome();
    script.produce(0, [], [256]);
    script.produceCut(10);
    script.produce(10, [{ kind: 'pes', offset: 112, pid: 256, isVideo: true }]);
    script.ack('A', 100);
    expect(script.of('begin').at(-1)).toMatchObject({ session: script.session('B'), offset: 100 });
    expect(script.of('close')).toEqual([]);
    script.ack('A', 120);
    expect(script.of('close')).toEqual([{ kind: 'close', session: script.session('A'), how: 'done' }]);
  });

  it('gives A its FIN after ten seconds at the latest', () => {
    const script = untilWelcome();
    script.produce(0, [], [256]);
    script.produceCut(10);
    script.produce(10, [{ kind: 'pes', offset: 112, pid: 256, isVideo: true }]);
    script.ack('A', 100);
    script.ackAll('B');
    script.forget();
    script.pass(9900, 'A', 'B');
    expect(script.of('close')).toEqual([]);
    script.pass(200, 'A', 'B');
    expect(script.of('close')).toEqual([{ kind: 'close', session: script.session('A'), how: 'abandoned' }]);
  });

  it('tells the handover at the first ack of B, with what it repeats', () => {
    const script = untilWelcome();
    script.produce(0, [], [256]);
    script.produce(10, [
      { kind: 'pes', offset: 100, pid: 256, isVideo: true },
      { kind: 'cut', offset: 100, quality: 'idr' },
    ]);
    script.produce(10, [{ kind: 'pes', offset: 112, pid: 256, isVideo: true }]);
    script.ack('A', 100);
    script.nowMs += 40;
    script.ack('B', 100, 101);
    expect(script.told('handedOver')).toEqual([
      {
        event: 'handedOver',
        client: 'default/door',
        from: 'a',
        to: 'b',
        reason: 'rank',
        milliseconds: 40,
        framesLost: 0,
        framesRepeated: 1,
      },
    ]);
  });
});

describe('the cut that does not come', () => {
  it('is made at a video PES start after cutWait', () => {
    const script = untilWelcome();
    for (let i = 0; i < 99; i += 1) {
      script.produce(10, [{ kind: 'pes', offset: script.core.produced, pid: 256, isVideo: true }]);
      script.ackAll('A');
      script.pass(100, 'A', 'B');
    }
    expect(script.core.phase.name).toBe('waitCut');
    script.pass(200, 'A', 'B');
    expect(script.told('cut')).toMatchObject([{ offset: 1080, quality: 'lossy' }]);
  });

  it('is made anywhere a second later, where nothing comes at all', () => {
    const script = untilWelcome();
    script.pass(10_900, 'A', 'B');
    expect(script.core.phase.name).toBe('waitCut');
    script.pass(200, 'A', 'B');
    expect(script.of('begin').at(-1)).toMatchObject({ session: script.session('B'), offset: 100 });
  });
});

describe('what a redirect must not do', () => {
  it('nothing changes when the same server is named again', () => {
    const script = untilWelcome();
    script.forget();
    script.redirect('A', 'B');
    expect(script.effects.filter(({ kind }) => kind !== 'wake')).toEqual([]);
  });

  it('a redirect of a server that we do not stream to is ignored', () => {
    const script = untilWelcome();
    script.forget();
    script.redirect('B', 'C');
    expect(script.of('dial')).toEqual([]);
  });

  it('a redirect to itself is ignored', () => {
    const script = new ClientScript().startAtA();
    script.forget();
    script.redirect('A', 'A');
    expect(script.of('dial')).toEqual([]);
  });

  it('another server closes the first and is dialed; A goes on', () => {
    const script = untilWelcome();
    const b = script.session('B');
    script.forget();
    script.redirect('A', 'C');
    expect(script.of('close')).toEqual([{ kind: 'close', session: b, how: 'abandoned' }]);
    expect(script.of('dial')).toMatchObject([{ expectId: idOf('C') }]);
    script.produce(10);
    expect(script.sent('A')).toBe(110);
  });

  it('another server after `end`: A gets `begin` at its end and continues the same part', () => {
    const script = untilEnd();
    script.redirect('A', 'C');
    expect(script.of('begin')).toMatchObject([
      { session: script.session('A'), offset: 110, inject: false, why: 'handover' },
    ]);
    expect(script.sent('A')).toBe(120);
    script.ack('A', 115);
    expect(script.core.ringStart).toBe(110);
  });
});

describe('refusals', () => {
  it.each([
    ['unreachable', 'unreachable'],
    ['untrusted', 'untrusted'],
    ['error', 'error'],
  ] as const)('says %s of a dial that fails so', (problem, reason) => {
    const script = new ClientScript().startAtA();
    script.redirect('A', 'B');
    script.tell({ kind: 'dialFailed', session: script.session('B'), reason: problem, detail: 'no' });
    expect(script.of('refused')).toEqual([
      { kind: 'refused', session: script.session('A'), id: idOf('B'), reason },
    ]);
    expect(script.core.phase).toEqual({ name: 'stream', current: script.session('A') });
  });

  it.each([
    ['full', 'full'],
    ['draining', 'draining'],
    ['stopped', 'draining'],
    ['untrusted', 'untrusted'],
    ['suspended', 'error'],
    ['error', 'error'],
  ] as const)('says of a `bye %s` in answer to hello: %s', (bye, reason) => {
    const script = new ClientScript().startAtA();
    script.redirect('A', 'B');
    script.tell({ kind: 'bye', session: script.session('B'), reason: bye });
    expect(script.of('refused')).toMatchObject([{ id: idOf('B'), reason }]);
    expect(script.told('refused')).toMatchObject([{ from: 'a', to: idOf('B'), reason }]);
  });

  it('gives the dial five seconds in all', () => {
    const script = new ClientScript().startAtA();
    script.redirect('A', 'B');
    script.pass(4900, 'A');
    expect(script.of('refused')).toEqual([]);
    script.pass(200, 'A');
    expect(script.of('refused')).toMatchObject([{ id: idOf('B'), reason: 'unreachable' }]);
    expect(script.of('close')).toEqual([{ kind: 'close', session: script.session('B'), how: 'abandoned' }]);
  });

  it('follows a second redirect for rank only 30 s after the first, and says when', () => {
    const script = untilWelcome();
    script.produceCut(10);
    script.ack('A', 100);
    script.ackAll('B');
    script.pass(10_000, 'B');
    script.redirect('B', 'C');
    expect(script.of('refused')).toEqual([
      {
        kind: 'refused',
        session: script.session('B'),
        id: idOf('C'),
        reason: 'budget',
        retryAfterMs: 20_000,
      },
    ]);
    script.redirect('B', 'C', 'drain');
    expect(script.core.phase.name).toBe('dial');
    expect(script.of('dial').at(-1)?.hello.moveAfterMs).toBe(20_000);
  });

  it('follows twelve redirects for rank an hour', () => {
    const script = new ClientScript().startAtA();
    for (let i = 0; i < 12; i += 1) {
      const [from, to] = i % 2 === 0 ? (['A', 'B'] as const) : (['B', 'A'] as const);
      script.redirect(from, to);
      script.welcome(to);
      script.produceCut(10);
      script.ackAll(from);
      script.ackAll(to);
      expect(script.core.phase).toEqual({ name: 'stream', current: script.session(to) });
      script.pass(31_000, to);
    }
    script.redirect('A', 'B');
    expect(script.of('refused')).toMatchObject([{ reason: 'budget', retryAfterMs: 3_600_000 - 12 * 31_000 }]);
  });
});

describe('what fails before B begins', () => {
  it('B before the cut: A goes on as if nothing was', () => {
    const script = untilWelcome();
    script.forget();
    script.tell({ kind: 'closed', session: script.session('B'), how: 'reset', detail: 'gone' });
    expect(script.of('refused')).toMatchObject([{ id: idOf('B'), reason: 'lost' }]);
    script.produceCut(10);
    expect(script.of('end')).toEqual([]);
    expect(script.sent('A')).toBe(110);
  });

  it('B after `end`: A gets `begin` at its end', () => {
    const script = untilEnd();
    script.tell({ kind: 'closed', session: script.session('B'), how: 'fin', detail: 'gone' });
    expect(script.of('begin')).toMatchObject([{ session: script.session('A'), offset: 110, inject: false }]);
    expect(script.sent('A')).toBe(120);
  });

  it('B by silence: three seconds without a line', () => {
    const script = untilWelcome();
    script.pass(2900, 'A');
    expect(script.of('refused')).toEqual([]);
    script.pass(200, 'A');
    expect(script.of('refused')).toMatchObject([{ id: idOf('B'), reason: 'lost' }]);
  });

  it('A after the welcome: B begins at the ring’s start', () => {
    const script = untilWelcome();
    script.produce(50);
    script.tell({ kind: 'closed', session: script.session('A'), how: 'reset', detail: 'gone' });
    expect(script.of('begin').at(-1)).toMatchObject({
      session: script.session('B'),
      offset: 0,
      why: 'replay',
    });
    expect(script.sent('B')).toBe(150);
  });

  it('A before the welcome: B’s dial is the first of the list, the next comes 300 ms later', () => {
    const script = new ClientScript({ servers: [candidateOf('A'), candidateOf('C')] }).startAtA();
    script.redirect('A', 'B');
    script.forget();
    script.tell({ kind: 'closed', session: script.session('A'), how: 'reset', detail: 'gone' });
    expect(script.of('dial')).toEqual([]);
    script.pass(300);
    expect(script.of('dial').map(({ expectId }) => expectId)).toEqual([idOf('A')]);
    script.welcome('B');
    expect(script.of('begin')).toMatchObject([{ session: script.session('B'), offset: 0, why: 'replay' }]);
    expect(script.of('close').at(-1)).toMatchObject({ session: script.session('A'), how: 'abandoned' });
  });
});

describe('a server that makes nothing durable', () => {
  it('is left ten seconds after the cut: B begins at the ring’s start', () => {
    const script = untilEnd();
    script.pass(9900, 'A', 'B');
    expect(script.core.phase.name).toBe('waitDurable');
    script.pass(200, 'A', 'B');
    expect(script.of('begin').at(-1)).toMatchObject({
      session: script.session('B'),
      offset: 0,
      why: 'replay',
    });
  });

  it('is left when three quarters of the ring’s share are not durable', () => {
    const script = new ClientScript({ share: 1000 }).startAtA();
    script.redirect('A', 'B');
    script.welcome('B');
    script.produce(10);
    script.produceCut(100);
    script.produce(600);
    expect(script.of('begin').at(-1)).toMatchObject({ session: script.session('A') });
    script.produce(200);
    expect(script.of('begin').at(-1)).toMatchObject({ session: script.session('B'), offset: 0 });
  });

  it('gets no time twice: a redirect away from a disk that has been stuck for ten seconds begins at the cut', () => {
    const script = new ClientScript().startAtA();
    script.produce(10);
    script.pass(9000, 'A');
    script.redirect('A', 'B', 'requires');
    script.welcome('B');
    script.pass(1100, 'A');
    expect(script.of('begin').at(-1)).toMatchObject({ session: script.session('A') });
    script.produceCut(100);
    expect(script.of('end')).toMatchObject([{ session: script.session('A'), offset: 110 }]);
    expect(script.of('begin').at(-1)).toMatchObject({
      session: script.session('B'),
      offset: 0,
      why: 'replay',
    });
  });

  it('is warned of after two seconds and left for another after ten', () => {
    const script = new ClientScript().startAtA();
    script.peers('A', 'B');
    script.produce(10);
    script.pass(1900, 'A');
    expect(script.told('warning')).toEqual([]);
    script.pass(200, 'A');
    expect(script.told('warning')).toMatchObject([{ reason: 'durableLag' }]);
    script.pass(8000, 'A');
    expect(script.of('dial').at(-1)).toMatchObject({ expectId: idOf('B') });
    script.welcome('B');
    expect(script.of('end')).toMatchObject([{ session: script.session('A'), offset: 110 }]);
    expect(script.of('begin').at(-1)).toMatchObject({ session: script.session('B'), offset: 0 });
    // B sees nothing of that disk.
    script.redirect('B', 'A');
    expect(script.of('refused')).toMatchObject([{ id: idOf('A'), reason: 'held', retryAfterMs: 5000 }]);
  });
});

describe('ReleaseFirst', () => {
  it('ends and leaves A before it dials B, and begins at the ring’s start', () => {
    const script = new ClientScript({ config: { order: 'ReleaseFirst' } }).startAtA();
    script.produce(20);
    script.forget();
    script.redirect('A', 'B');
    expect(script.of('end')).toMatchObject([{ offset: 120 }]);
    expect(script.of('dial')).toEqual([]);
    script.ack('A', 120);
    expect(script.of('close')).toMatchObject([{ session: script.session('A'), how: 'done' }]);
    expect(script.of('dial')).toMatchObject([{ expectId: idOf('B') }]);
    script.welcome('B');
    expect(script.of('begin')).toMatchObject([{ session: script.session('B'), offset: 0, why: 'replay' }]);
    script.ackAll('B');
    expect(script.told('handedOver')).toMatchObject([{ from: 'a', to: 'b', reason: 'rank', framesLost: 0 }]);
  });

  it('is followed once to a server that is not reached; the next time that is dialed before A is left', () => {
    const script = new ClientScript({ config: { order: 'ReleaseFirst' } }).startAtA();
    leaveAForNothing(script);
    script.redirect('A', 'B', 'requires');
    expect(script.of('end')).toEqual([]);
    expect(script.of('dial')).toMatchObject([{ expectId: idOf('B') }]);
    fail(script, 'B');
    expect(script.of('refused')).toMatchObject([{ session: script.session('A'), id: idOf('B') }]);
    expect(script.core.phase.name).toBe('stream');
  });

  it('looks before it leaves where another server was quicker than the one it was sent to', () => {
    const script = new ClientScript({ config: { order: 'ReleaseFirst' } }).startAtA();
    script.peers('A', 'C');
    script.redirect('A', 'B', 'drain');
    script.ackAll('A');
    script.pass(400);
    script.welcome('C');
    script.forget();
    script.redirect('C', 'B', 'drain');
    expect(script.of('end')).toEqual([]);
    expect(script.of('dial')).toMatchObject([{ expectId: idOf('B') }]);
  });

  it('is the order again when the server was reached once', () => {
    const script = new ClientScript({ config: { order: 'ReleaseFirst' } }).startAtA();
    leaveAForNothing(script);
    script.redirect('A', 'B', 'requires');
    script.welcome('B');
    script.produceCut(10);
    script.ackAll('A');
    script.ackAll('B');
    script.forget();
    script.redirect('B', 'C', 'drain');
    script.ackAll('B');
    script.welcome('C');
    script.forget();
    script.redirect('C', 'B', 'drain');
    expect(script.of('end')).toHaveLength(1);
    expect(script.of('dial')).toEqual([]);
  });
});

/** Redirected to B, which is not there: back at A. */
function leaveAForNothing(script: ClientScript): void {
  script.redirect('A', 'B', 'requires');
  script.ackAll('A');
  fail(script, 'B');
  script.welcome('A');
  script.ackAll('A');
  script.forget();
}

function fail(script: ClientScript, letter: 'B'): void {
  const session = script.session(letter);
  script.tell({ kind: 'dialFailed', session, reason: 'unreachable', detail: 'nobody there' });
}

describe('a renewed certificate', () => {
  it('is a handover to the same server that costs no budget', () => {
    const script = new ClientScript().startAtA();
    const old = script.session('A');
    script.tell({ kind: 'renewed' });
    const renewed = script.session('A');
    expect(renewed).not.toBe(old);
    script.welcome('A');
    script.produceCut(10);
    script.tell({ kind: 'acked', session: old, received: 100, durable: 100 });
    expect(script.of('begin').at(-1)).toMatchObject({ session: renewed, offset: 100, why: 'handover' });
    expect(script.core.rankMoves).toEqual([]);
  });
});
