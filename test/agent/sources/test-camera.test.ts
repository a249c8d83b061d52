import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openTestCamera } from '../../../agent/sources/test-camera.ts';
import { TestPace } from '../../../agent/sources/test-pace.ts';
import { TestStream } from '../../../agent/sources/test-stream.ts';
import { hashFrames } from '../../../protocol/media/frame-hashes.ts';
import { ptsWrap } from '../../../protocol/media/pes.ts';
import { judgeContinuity, parsePacketHeader } from '../../../protocol/media/mpegts.ts';
import { createScanner } from '../../../protocol/media/scanners.ts';

function bytesOf(frames: number, options: Partial<ConstructorParameters<typeof TestStream>[0]> = {}): Buffer {
  const camera = new TestStream({ fps: 15, gop: 2, ...options });
  return Buffer.concat(Array.from({ length: frames }, () => camera.next()));
}

describe('the test camera’s stream', () => {
  it('has frames that all differ, 12,000 of them', () => {
    const camera = new TestStream({ fps: 15, gop: 20, size: { widthMbs: 8, heightMbs: 4 } });
    const hashes = new Set<string>();
    for (let round = 0; round < 40; round += 1) {
      const bytes = Buffer.concat(Array.from({ length: 300 }, () => camera.next()));
      for (const { hash } of hashFrames(bytes)) hashes.add(hash);
    }
    expect(hashes.size).toBe(12_000);
  });

  it('differs from a camera with another seed, and not from itself', () => {
    expect(bytesOf(3)).toEqual(bytesOf(3));
    expect(bytesOf(3, { seed: 1 })).not.toEqual(bytesOf(3, { seed: 2 }));
  });

  it('has a key frame with tables each GOP', () => {
    const bytes = bytesOf(100);
    const cuts = createScanner('video/mp2t')
      .push(bytes)
      .filter(({ kind }) => kind === 'cut');
    expect(cuts).toHaveLength(4);
    for (const { offset } of cuts) {
      expect(parsePacketHeader(bytes, offset)?.randomAccess).toBe(true);
      expect(parsePacketHeader(bytes, offset - 188)?.pid).toBe(0x1000);
      expect(parsePacketHeader(bytes, offset - 376)?.pid).toBe(0);
    }
  });

  it('counts its packets without a step, and its time evenly over the wrap', () => {
    const bytes = bytesOf(64, { fps: 30, startPts: ptsWrap - 90_000 });
    const last = new Map<number, number>();
    for (let at = 0; at < bytes.length; at += 188) {
      const header = parsePacketHeader(bytes, at);
      if (header === undefined) throw new Error(`no packet at ${at}`);
      expect(judgeContinuity(header, last.get(header.pid), undefined)).toBe('next');
      last.set(header.pid, header.continuity);
    }
    const times = hashFrames(bytes).map(({ pts }) => pts);
    expect(times).toEqual(
      Array.from({ length: 64 }, (_, frame) => (ptsWrap - 90_000 + frame * 3000) % ptsWrap),
    );
  });

  it('refuses what it cannot show', () => {
    expect(() => new TestStream({ fps: 0, gop: 1 })).toThrow('fps 0');
    expect(() => new TestStream({ fps: 15, gop: 1, size: { widthMbs: 7, heightMbs: 4 } })).toThrow('8 × 4');
    expect(() => new TestStream({ fps: 15, gop: 1, size: { widthMbs: 200, heightMbs: 100 } })).toThrow(
      '8192',
    );
  });
});

describe('the pace', () => {
  it('has no drift where the timer is always late', () => {
    const pace = new TestPace(100, 0);
    let now = 0;
    for (let frame = 0; frame < 1000; frame += 1) now += pace.next(now) + 7;
    expect(Math.abs(now - 100_000)).toBeLessThan(110);
  });

  it('catches up after a stall at double pace, not in a burst', () => {
    const pace = new TestPace(100, 0);
    let now = 0;
    let frames = 0;
    for (; frames < 10; frames += 1) now += pace.next(now);
    now += 2000;
    const stalledAt = now;
    const waits: number[] = [];
    while (now < stalledAt + 5000) {
      const wait = pace.next(now);
      waits.push(wait);
      now += wait;
      frames += 1;
    }
    expect(Math.min(...waits)).toBe(50);
    expect(waits.at(-1)).toBe(100);
    expect(frames).toBe(now / 100);
  });

  it('does not make up for hours of sleep', () => {
    const pace = new TestPace(100, 0);
    expect(pace.next(3_600_000)).toBe(50);
    expect(pace.next(3_600_050)).toBe(50);
    expect(pace.next(3_600_100)).toBe(100);
  });
});

describe('the test camera', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function open() {
    const chunks: Uint8Array[] = [];
    const states: boolean[] = [];
    const camera = openTestCamera(
      { fps: 10, gop: 1 },
      {
        onRestart: () => expect.unreachable('it is one session'),
        onBytes: (bytes) => chunks.push(bytes),
        onState: ({ ready }) => states.push(ready),
        onEnd: () => expect.unreachable('it does not end'),
      },
    );
    return { camera, chunks, states };
  }

  it('gives its frames at the pace of the clock, until it is closed', async () => {
    const { camera, chunks, states } = open();
    expect(chunks).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(10_050);
    expect(states).toEqual([true]);
    expect(chunks.length).toBeGreaterThanOrEqual(100);
    expect(chunks.length).toBeLessThanOrEqual(102);
    expect(hashFrames(Buffer.concat(chunks))).toHaveLength(chunks.length);
    await camera.close();
    const given = chunks.length;
    await vi.advanceTimersByTimeAsync(1000);
    expect(chunks).toHaveLength(given);
  });

  it('may be closed before its first frame, and by its listener', async () => {
    const { camera, chunks } = open();
    await camera.close();
    await vi.advanceTimersByTimeAsync(1000);
    expect(chunks).toHaveLength(0);
    let given = 0;
    const closing = openTestCamera(
      { fps: 10, gop: 1 },
      {
        onRestart: () => undefined,
        onBytes: () => {
          given += 1;
          void closing.close();
        },
        onState: () => undefined,
        onEnd: () => undefined,
      },
    );
    await vi.advanceTimersByTimeAsync(1000);
    expect(given).toBe(1);
  });
});
