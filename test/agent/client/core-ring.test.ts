import { describe, expect, it } from 'vitest';
import { ClientScript, idOf } from '../../support/client-script.ts';

describe('what the ring keeps', () => {
  it('is everything from the last cut at or before durable', () => {
    const script = new ClientScript().startAtA();
    script.produceCut(100);
    script.produceCut(100);
    script.ack('A', 199);
    expect(script.core.ringStart).toBe(100);
    script.ack('A', 200);
    expect(script.core.ringStart).toBe(200);
    expect(script.of('free').map(({ upTo }) => upTo)).toEqual([100, 200]);
  });

  it('is nothing freed from the cut on while a handover waits, whatever A acks', () => {
    const script = new ClientScript().startAtA();
    script.produce(0, [], [256]);
    script.redirect('A', 'B');
    script.welcome('B');
    script.produceCut(10);
    script.produceCut(10);
    script.ackAll('A');
    expect(script.core.phase.name).toBe('tail');
    expect(script.core.ringStart).toBe(100);
  });

  it('does not fall for acks of what was never sent', () => {
    const script = new ClientScript().startAtA();
    script.blocked.add('A');
    script.produceCut(10);
    script.produceCut(10);
    script.ack('A', 1e9, 1e9);
    expect(script.core.ringStart).toBe(100);
  });

  it('is freed by B alone once it has begun', () => {
    const script = new ClientScript().startAtA();
    script.produce(0, [], [256]);
    script.redirect('A', 'B');
    script.welcome('B');
    script.produceCut(10);
    script.produceCut(10);
    script.pass(1100, 'A', 'B');
    script.ack('A', 100);
    expect(script.core.phase).toEqual({ name: 'stream', current: script.session('B') });
    script.ackAll('A');
    expect(script.core.ringStart).toBe(100);
    script.ackAll('B');
    expect(script.core.ringStart).toBe(110);
  });
});

describe('a ring over its share', () => {
  it('first keeps only from durable', () => {
    const script = new ClientScript({ share: 100 });
    script.welcome('A');
    script.produceCut(80);
    script.ack('A', 60);
    script.produce(30);
    expect(script.core.ringStart).toBe(60);
    expect(script.core.bytesLost).toBe(0);
    script.tell({ kind: 'closed', session: script.session('A'), how: 'reset', detail: 'gone' });
    script.welcome('A');
    expect(script.of('begin').at(-1)).toMatchObject({ offset: 60, why: 'gap' });
  });

  it('then gives up the oldest bytes that were sent, exposed until they are durable', () => {
    const script = new ClientScript({ share: 100 });
    script.welcome('A');
    script.produceCut(80);
    script.produce(80);
    expect(script.core.ringStart).toBe(60);
    expect(script.core.sessions.get(script.session('A'))).toMatchObject({ exposedFrom: 0, exposedTo: 60 });
    expect(script.told('warning')).toMatchObject([{ reason: 'ringOverBudget' }]);
    script.ack('A', 160);
    script.tell({ kind: 'closed', session: script.session('A'), how: 'reset', detail: 'gone' });
    expect(script.core.bytesLost).toBe(0);
  });

  it('counts exposed bytes and frames as lost when that server dies first', () => {
    const script = new ClientScript({ share: 100 });
    script.welcome('A');
    script.peers('A', 'B');
    for (let i = 0; i < 8; i += 1) {
      const offset = script.core.produced;
      script.produce(20, [{ kind: 'pes', offset, pid: 256, isVideo: true }]);
    }
    expect(script.core.ringStart).toBe(60);
    script.tell({ kind: 'closed', session: script.session('A'), how: 'reset', detail: 'gone' });
    expect(script.core).toMatchObject({ bytesLost: 60, framesLost: 3 });
    script.welcome('B');
    expect(script.of('begin').at(-1)).toMatchObject({ offset: 60, why: 'gap' });
    script.ackAll('B');
    expect(script.told('handedOver')).toMatchObject([{ framesLost: 3, framesRepeated: 5 }]);
  });

  it('gives up bytes that were never sent only without a server, up to the next cut', () => {
    const script = new ClientScript({ share: 100 });
    script.produceCut(50);
    script.produceCut(40);
    script.produceCut(40);
    expect(script.core).toMatchObject({ ringStart: 50, bytesLost: 50 });
    script.welcome('A');
    expect(script.of('begin')).toMatchObject([{ offset: 50, why: 'gap' }]);
  });

  it('does not count as lost what the last server had made durable', () => {
    const script = new ClientScript({ share: 100 });
    script.welcome('A');
    for (const pts of [0, 1, 2, 3]) {
      const offset = script.core.produced;
      script.produce(20, [
        { kind: 'pes', offset, pid: 256, isVideo: true },
        ...(pts % 2 === 0 ? [{ kind: 'cut' as const, offset, quality: 'idr' as const }] : []),
      ]);
    }
    // In the middle of the second frame, behind the first cut.
    script.ack('A', 30);
    script.tell({ kind: 'closed', session: script.session('A'), how: 'reset', detail: 'gone' });
    script.produceCut(40);
    expect(script.core).toMatchObject({ ringStart: 40, bytesLost: 10, framesLost: 1 });
    script.produceCut(60);
    expect(script.core).toMatchObject({ ringStart: 80, bytesLost: 50, framesLost: 3 });
  });

  it('counts sound as frames where the video before it went away', () => {
    const script = new ClientScript({ share: 100 });
    script.produce(40, [
      { kind: 'pes', offset: 0, pid: 256, isVideo: true },
      { kind: 'cut', offset: 0, quality: 'idr' },
    ]);
    for (const offset of [40, 60, 80, 100]) {
      script.produce(20, [
        { kind: 'pes', offset, pid: 257, isVideo: false },
        { kind: 'cut', offset, quality: 'idr' },
      ]);
    }
    script.produceCut(80);
    expect(script.core).toMatchObject({ ringStart: 100, framesLost: 4 });
  });

  it('leaves a server that takes nothing at all', () => {
    const script = new ClientScript({ share: 100 });
    script.welcome('A');
    script.peers('A', 'B');
    script.blocked.add('A');
    script.produceCut(60);
    script.produceCut(60);
    expect(script.told('disconnected')).toEqual([]);
    script.pass(1100, 'A');
    expect(script.told('disconnected')).toMatchObject([{ from: 'a', reason: 'stalled' }]);
    expect(script.of('dial').at(-1)).toMatchObject({ expectId: idOf('B') });
    expect(script.core).toMatchObject({ bytesLost: 60, ringStart: 60 });
  });

  it('follows a share that becomes smaller', () => {
    const script = new ClientScript({ share: 1000 }).startAtA();
    script.produce(500);
    script.tell({ kind: 'share', bytes: 200 });
    expect(script.core.produced - script.core.ringStart).toBeLessThanOrEqual(200);
  });
});
