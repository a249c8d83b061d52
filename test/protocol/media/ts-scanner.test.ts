import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TestStream } from '../../../agent/sources/test-stream.ts';
import { encodeDiscontinuity } from '../../../protocol/media/ts-encode.ts';
import { ptsWrap } from '../../../protocol/media/pes.ts';
import { parsePacketHeader } from '../../../protocol/media/mpegts.ts';
import type { Mark } from '../../../protocol/media/scanner.ts';
import { createScanner } from '../../../protocol/media/scanners.ts';
import { fuzzRounds, fuzzTimeoutMs } from '../../support/mutation.ts';
import { annexB, nal, TransportStreamBuilder } from '../../support/transport-streams.ts';

const video = 0x100;
const audio = 0x101;
const both = [
  [video, 0x1b],
  [audio, 0x0f],
] as const;
const keyFrame = annexB(nal.delimiter, nal.sps, nal.pps, nal.idr);
const interFrame = annexB(nal.delimiter, nal.inter);
const sound = new Uint8Array(40).fill(0x55);

function marksOf(bytes: Uint8Array, startOffset = 0): readonly Mark[] {
  return createScanner('video/mp2t', startOffset).push(bytes);
}

function cutsOf(bytes: Uint8Array) {
  return marksOf(bytes).filter((mark) => mark.kind === 'cut');
}

/** A video stream with one PES packet of these units, between tables and an inter frame. */
function oneFrame(payload: Uint8Array, randomAccess = false, streamType = 0x1b): Buffer {
  return new TransportStreamBuilder()
    .tables([[video, streamType]])
    .pes({ pid: video, payload, pts: 9000, randomAccess })
    .bytes();
}

describe('cuts of an H.264 stream', () => {
  it('are where the packet of a key frame’s PES begins', () => {
    const stream = new TransportStreamBuilder().tables(both);
    stream.pes({ pid: audio, payload: sound, pts: 100, streamId: 0xc0 });
    const first = stream.length;
    stream.pes({ pid: video, payload: keyFrame, pts: 9000 });
    const second = stream.length;
    stream.pes({ pid: video, payload: interFrame, pts: 18_000 });
    stream.pes({ pid: audio, payload: sound, pts: 200, streamId: 0xc0 });
    const third = stream.length;
    stream.pes({ pid: video, payload: keyFrame, pts: 27_000 });
    expect(marksOf(stream.bytes())).toEqual(
      [
        { kind: 'pes', offset: 376, pid: audio, isVideo: false, pts: 100 },
        { kind: 'pes', offset: first, pid: video, isVideo: true, pts: 9000 },
        { kind: 'cut', offset: first, quality: 'idr', pts: 9000 },
        { kind: 'pes', offset: second, pid: video, isVideo: true, pts: 18_000 },
        { kind: 'pes', offset: 752, pid: audio, isVideo: false, pts: 200 },
        { kind: 'pes', offset: third, pid: video, isVideo: true, pts: 27_000 },
        { kind: 'cut', offset: third, quality: 'idr', pts: 27_000 },
      ].map((mark, index) => (index === 4 ? { ...mark, offset: second + 188 } : mark)),
    );
  });

  it.each([
    { what: 'an IDR picture', units: [nal.delimiter, nal.idr], quality: 'idr' },
    { what: 'an IDR picture with its parameter sets', units: [nal.sps, nal.pps, nal.idr], quality: 'idr' },
    { what: 'a recovery point', units: [nal.delimiter, nal.recoveryPoint, nal.inter], quality: 'recovery' },
    {
      what: 'parameter sets before an intra picture',
      units: [nal.sps, nal.pps, nal.intra],
      quality: 'recovery',
    },
    {
      what: 'parameter sets before another picture',
      units: [nal.sps, nal.pps, nal.inter],
      quality: undefined,
    },
    { what: 'an intra picture alone', units: [nal.delimiter, nal.intra], quality: undefined },
    { what: 'an inter picture', units: [nal.delimiter, nal.inter], quality: undefined },
    { what: 'the rest of an IDR picture', units: [nal.idrSlice], quality: undefined },
    {
      what: 'an IDR picture behind another one',
      units: [nal.inter, nal.delimiter, nal.idr],
      quality: undefined,
    },
  ])('of $what: $quality', ({ units, quality }) => {
    expect(cutsOf(oneFrame(annexB(...units)))[0]?.quality).toBe(quality);
  });

  it('of an inter picture that the muxer marks: recovery', () => {
    expect(cutsOf(oneFrame(interFrame, true))).toMatchObject([{ quality: 'recovery', offset: 376 }]);
  });

  it('of an IDR picture behind the tail of another one: recovery, as it is whole only when joined', () => {
    const tail = Buffer.concat([Uint8Array.of(0x33, 0x44, 0x55), keyFrame]);
    expect(cutsOf(oneFrame(tail))).toMatchObject([{ quality: 'recovery' }]);
  });

  it('are not made by random access indicators of audio', () => {
    const stream = new TransportStreamBuilder().tables(both);
    stream.pes({ pid: video, payload: interFrame });
    for (let index = 0; index < 5; index += 1) {
      stream.pes({ pid: audio, payload: sound, streamId: 0xc0, randomAccess: true });
    }
    expect(cutsOf(stream.bytes())).toEqual([]);
  });

  it('are told when the key frame shows some packets behind its PES start', () => {
    const padding = [6, 5, 0xff, 0xff, 90, ...Array.from({ length: 600 }, () => 9), 0x80];
    const bytes = oneFrame(annexB(nal.delimiter, padding, nal.sps, nal.pps, nal.idr));
    const scanner = createScanner('video/mp2t');
    expect(scanner.push(bytes.subarray(0, 376 + 188)).map(({ kind }) => kind)).toEqual(['pes']);
    expect(scanner.push(bytes.subarray(376 + 188))).toEqual([
      { kind: 'cut', offset: 376, quality: 'idr', pts: 9000 },
    ]);
  });

  it('keep their times across the wrap of 33 bits', () => {
    const camera = new TestStream({ fps: 10, gop: 1, startPts: ptsWrap - 2.5 * 90_000 });
    const bytes = Buffer.concat(Array.from({ length: 50 }, () => camera.next()));
    expect(cutsOf(bytes).map(({ pts }) => pts)).toEqual(
      [-225_000, -135_000, -45_000, 45_000, 135_000].map((pts) => (pts + ptsWrap) % ptsWrap),
    );
  });

  it('are not made of a PES packet that lost a TS packet before its key frame', () => {
    const bytes = oneFrame(
      annexB(nal.delimiter, [6, 5, 0xff, 90, ...Array.from({ length: 345 }, () => 9), 0x80], nal.idr),
    );
    expect(cutsOf(bytes)).toHaveLength(1);
    expect(cutsOf(Buffer.concat([bytes.subarray(0, 376 + 188), bytes.subarray(376 + 376)]))).toEqual([]);
  });

  it('are made of a packet that was sent twice once', () => {
    const bytes = oneFrame(keyFrame);
    const twice = Buffer.concat([bytes, bytes.subarray(376)]);
    expect(marksOf(twice)).toEqual(marksOf(bytes));
  });

  it('are made by the muxer’s mark alone where the codec is not known or scrambled bytes hide it', () => {
    expect(cutsOf(oneFrame(sound, true, 0x02))).toMatchObject([{ quality: 'recovery' }]);
    expect(cutsOf(oneFrame(sound, false, 0x02))).toEqual([]);
  });
});

describe('cuts of a stream without video', () => {
  it('are where a PES packet of its first stream begins', () => {
    const stream = new TransportStreamBuilder().tables([
      [0x200, 0x05],
      [audio, 0x0f],
      [0x102, 0x03],
    ]);
    const places: number[] = [];
    for (let pts = 0; pts < 3; pts += 1) {
      places.push(stream.length);
      stream.pes({ pid: audio, payload: sound, pts, streamId: 0xc0 });
      stream.pes({ pid: 0x102, payload: sound, pts, streamId: 0xc1 });
    }
    expect(cutsOf(stream.bytes())).toEqual(
      places.map((offset, pts) => ({ kind: 'cut', offset, quality: 'idr', pts })),
    );
    const scanner = createScanner('video/mp2t');
    scanner.push(stream.bytes());
    expect(scanner.elementaryPids).toEqual([audio, 0x102]);
  });
});

describe('changes', () => {
  const changesOf = (bytes: Uint8Array) => marksOf(bytes).filter((mark) => mark.kind === 'change');

  it('are told for another PMT, at its packet, and not for another version of the same', () => {
    const stream = new TransportStreamBuilder().tables(both).pes({ pid: video, payload: keyFrame });
    stream.tables(both, { version: 7 });
    expect(changesOf(stream.bytes())).toEqual([]);
    stream.tables([[video, 0x1b]]);
    const change = { kind: 'change', offset: stream.length - 188, what: 'pmt' };
    expect(changesOf(stream.bytes())).toEqual([change]);
    stream.pes({ pid: video, payload: keyFrame });
    stream.tables([[video, 0x1b]], { pmtPid: 0x1100 });
    expect(changesOf(stream.bytes())).toEqual([
      change,
      { kind: 'change', offset: stream.length - 188, what: 'pmt' },
    ]);
  });

  it('are told for another SPS, before the cut that it comes with, and not for another PPS', () => {
    const stream = new TransportStreamBuilder().tables(both).pes({ pid: video, payload: keyFrame });
    stream.pes({ pid: video, payload: annexB(nal.sps, nal.otherPps, nal.idr) });
    expect(changesOf(stream.bytes())).toEqual([]);
    const offset = stream.length;
    stream.pes({ pid: video, payload: annexB(nal.otherSps, nal.otherPps, nal.idr) });
    expect(marksOf(stream.bytes()).slice(-2)).toEqual([
      { kind: 'change', offset, what: 'codec' },
      { kind: 'cut', offset, quality: 'idr' },
    ]);
  });

  it('leave a stream that goes on as it was', () => {
    const stream = new TransportStreamBuilder()
      .tables([[video, 0x1b]])
      .pes({ pid: video, payload: keyFrame });
    stream.tables(both);
    stream.pes({ pid: video, payload: annexB(nal.otherSps, nal.pps, nal.idr) });
    expect(changesOf(stream.bytes())).toMatchObject([{ what: 'pmt' }, { what: 'codec' }]);
  });
});

describe('the preamble', () => {
  const withSound = () => {
    const stream = new TransportStreamBuilder().tables(both);
    for (let index = 0; index < 3; index += 1) {
      stream.pes({ pid: audio, payload: sound, streamId: 0xc0 });
      stream.pes({ pid: video, payload: interFrame });
    }
    return stream;
  };

  it('is empty before a PMT came', () => {
    expect(createScanner('video/mp2t').preamble()).toHaveLength(0);
  });

  it('lets each PID go on with its own counter', () => {
    const stream = withSound();
    const offset = stream.length;
    stream.pes({ pid: video, payload: keyFrame, pts: 5 });
    for (let index = 0; index < 20; index += 1) {
      stream.pes({ pid: audio, payload: sound, streamId: 0xc0 });
      stream.tables(both);
    }
    const scanner = createScanner('video/mp2t');
    scanner.push(stream.bytes());
    const joined = Buffer.concat([scanner.preamble(offset), stream.bytes().subarray(offset)]);
    const last = new Map<number, number>();
    for (let at = 0; at < joined.length; at += 188) {
      const header = parsePacketHeader(joined, at);
      if (header === undefined) throw new Error('no packet');
      const before = last.get(header.pid);
      expect(before !== undefined || header.discontinuity).toBe(true);
      const step = header.hasPayload ? 1 : 0;
      expect(header.continuity).toBe(before === undefined ? header.continuity : (before + step) & 15);
      last.set(header.pid, header.continuity);
    }
    expect([...last.keys()].toSorted((a, b) => a - b)).toEqual([0, video, audio, 0x1000]);
  });

  it('makes a scanner that never saw the stream find the same marks', () => {
    const stream = withSound();
    const offset = stream.length;
    stream.pes({ pid: video, payload: keyFrame, pts: 5 }).pes({ pid: video, payload: interFrame, pts: 6 });
    const scanner = createScanner('video/mp2t');
    const marks = scanner.push(stream.bytes()).filter((mark) => mark.offset >= offset);
    const preamble = scanner.preamble(offset);
    const fresh = createScanner('video/mp2t', offset - preamble.length);
    expect(fresh.push(preamble)).toEqual([]);
    expect(fresh.push(stream.bytes().subarray(offset))).toEqual(marks);
  });

  it('has the tables of the place, not of now', () => {
    const stream = new TransportStreamBuilder().tables([[video, 0x1b]]);
    const offset = stream.length;
    stream.pes({ pid: video, payload: keyFrame });
    stream.tables(both, { pmtPid: 0x1234 });
    const scanner = createScanner('video/mp2t');
    scanner.push(stream.bytes());
    const pidsAfter = (preamble: Uint8Array) => {
      const fresh = createScanner('video/mp2t');
      fresh.push(preamble);
      return fresh.elementaryPids;
    };
    expect(pidsAfter(scanner.preamble(offset))).toEqual([video]);
    expect(pidsAfter(scanner.preamble())).toEqual([video, audio]);
  });

  it('has parameter sets only where key frames come without', () => {
    const stream = new TransportStreamBuilder().tables(both).pes({ pid: video, payload: keyFrame });
    const own = stream.length - 188;
    const bare = stream.length;
    stream.pes({ pid: video, payload: annexB(nal.delimiter, nal.idr), pts: 77 });
    const scanner = createScanner('video/mp2t');
    scanner.push(stream.bytes());
    const needle = Buffer.from(annexB(nal.sps, nal.pps));
    expect(Buffer.from(scanner.preamble(own)).includes(needle)).toBe(false);
    expect(Buffer.from(scanner.preamble(bare)).includes(needle)).toBe(true);
  });

  const joinedSteps = (joined: Uint8Array): readonly number[] => {
    const last = new Map<number, number>();
    const steps: number[] = [];
    for (let at = 0; at < joined.length; at += 188) {
      const header = parsePacketHeader(joined, at);
      if (header === undefined) throw new Error('no packet');
      const { pid, continuity, hasPayload, discontinuity } = header;
      const before = last.get(pid);
      if (before !== undefined && !discontinuity) steps.push((continuity - before - Number(hasPayload)) & 15);
      last.set(pid, continuity);
    }
    return steps;
  };

  it('of the beginning has its tables and counters, though they came behind it', () => {
    const stream = new TransportStreamBuilder().skip(0, 4).skip(video, 9).tables(both);
    for (let index = 0; index < 20; index += 1) {
      stream.pes({ pid: video, payload: interFrame }).pes({ pid: audio, payload: sound, streamId: 0xc0 });
      stream.tables(both);
    }
    const scanner = createScanner('video/mp2t', 1000);
    expect(scanner.preamble(1000)).toHaveLength(0);
    scanner.push(stream.bytes());
    const preamble = scanner.preamble(1000);
    const fresh = createScanner('video/mp2t');
    fresh.push(preamble);
    expect(fresh.elementaryPids).toEqual([video, audio]);
    expect(new Set(joinedSteps(Buffer.concat([preamble, stream.bytes()])))).toEqual(new Set([0]));
  });

  it('of places before a new source session is as it was', () => {
    const scanner = createScanner('video/mp2t');
    const stream = withSound();
    const offset = stream.length;
    stream.pes({ pid: video, payload: keyFrame, pts: 5 });
    scanner.push(stream.bytes());
    const [start, cut] = [scanner.preamble(0), scanner.preamble(offset)];
    scanner.restart(stream.length);
    scanner.push(new TransportStreamBuilder().tables([[0x300, 0x24]]).bytes());
    expect(scanner.preamble(0)).toEqual(start);
    expect(scanner.preamble(offset)).toEqual(cut);
    const fresh = createScanner('video/mp2t');
    fresh.push(scanner.preamble(stream.length));
    expect(fresh.elementaryPids).toEqual([0x300]);
  });

  it('of any other place has the tables that hold there', () => {
    const stream = withSound();
    const before = stream.length - 50;
    stream.tables([[video, 0x1b]]);
    const behind = stream.length + 40;
    stream.pes({ pid: video, payload: keyFrame }).tables(both);
    const scanner = createScanner('video/mp2t');
    scanner.push(stream.bytes());
    const pidsAt = (offset: number) => {
      const fresh = createScanner('video/mp2t');
      fresh.push(scanner.preamble(offset));
      return fresh.elementaryPids;
    };
    expect(pidsAt(before)).toEqual([video, audio]);
    expect(pidsAt(behind)).toEqual([video]);
  });

  it('has parameter sets at a picture that is no key frame', () => {
    const stream = new TransportStreamBuilder().tables(both).pes({ pid: video, payload: keyFrame });
    const offset = stream.length;
    stream.pes({ pid: video, payload: interFrame, pts: 77 });
    const scanner = createScanner('video/mp2t');
    scanner.push(stream.bytes());
    const needle = Buffer.from(annexB(nal.sps, nal.pps));
    expect(Buffer.from(scanner.preamble(offset)).includes(needle)).toBe(true);
  });

  it('is forgotten with the source', () => {
    const scanner = createScanner('video/mp2t');
    scanner.push(withSound().bytes());
    scanner.restart(5000);
    expect(scanner.preamble()).toHaveLength(0);
    expect(scanner.elementaryPids).toEqual([]);
    const again = scanner.push(oneFrame(keyFrame));
    expect(again).toEqual([
      { kind: 'pes', offset: 5376, pid: video, isVideo: true, pts: 9000 },
      { kind: 'cut', offset: 5376, quality: 'idr', pts: 9000 },
    ]);
  });

  it('allows a jump in the middle of a PES packet', () => {
    const bytes = Buffer.concat([
      oneFrame(keyFrame),
      encodeDiscontinuity(video, 7),
      oneFrame(keyFrame).subarray(376),
    ]);
    expect(cutsOf(bytes)).toHaveLength(2);
  });
});

describe('whatever the bytes', () => {
  const camera = new TestStream({ fps: 5, gop: 1, size: { widthMbs: 8, heightMbs: 4 } });
  const base = new TransportStreamBuilder();
  for (let index = 0; index < 12; index += 1) {
    base.raw(camera.next());
  }
  const synthetic = new TransportStreamBuilder();
  for (let index = 0; index < 12; index += 1) {
    if (index % 4 === 0) synthetic.tables(index === 8 ? [[video, 0x1b]] : both);
    synthetic.pes({ pid: video, payload: index % 3 === 0 ? keyFrame : interFrame, pts: index * 3600 });
    synthetic.pes({ pid: audio, payload: sound, pts: index * 3600, streamId: 0xc0 });
  }
  const streams = [base.bytes(), synthetic.bytes()] as const;

  const mutation = fc.record({
    kind: fc.constantFrom('flip', 'delete', 'insert', 'repeat', 'fill'),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    length: fc.integer({ min: 1, max: 400 }),
    value: fc.constantFrom(0, 1, 0x47, 0xff, 0x40, 0x1f, 3, 0x80, 0x2a),
  });

  function mutate(
    bytes: Buffer,
    { kind, at, length, value }: { kind: string; at: number; length: number; value: number },
  ): Buffer {
    const from = Math.floor(at * bytes.length);
    const head = bytes.subarray(0, from);
    const middle = bytes.subarray(from, from + length);
    if (kind === 'delete') return Buffer.concat([head, bytes.subarray(from + length)]);
    if (kind === 'insert') return Buffer.concat([head, Buffer.alloc(length, value), bytes.subarray(from)]);
    if (kind === 'repeat') return Buffer.concat([head, middle, bytes.subarray(from)]);
    const changed = Buffer.from(bytes);
    if (kind === 'fill') changed.fill(value, from, Math.min(from + length, changed.length));
    else changed[from] = (changed[from] ?? 0) ^ value;
    return changed;
  }

  const damaged = fc
    .tuple(fc.constantFrom(...streams), fc.array(mutation, { maxLength: 8 }))
    .map(([stream, mutations]) => mutations.reduce(mutate, stream));

  function chunksOf(bytes: Uint8Array, sizes: readonly number[]): readonly Uint8Array[] {
    const chunks: Uint8Array[] = [];
    for (let at = 0, index = 0; at < bytes.length; index += 1) {
      const size = sizes[index % sizes.length] ?? 1;
      chunks.push(bytes.subarray(at, at + size));
      at += size;
    }
    return chunks;
  }

  it('chunking never changes marks, preamble or PIDs', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(damaged, fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1 }), (bytes, sizes) => {
        const whole = createScanner('video/mp2t');
        const marks = whole.push(bytes);
        const parts = createScanner('video/mp2t');
        expect(chunksOf(bytes, sizes).flatMap((chunk) => parts.push(chunk))).toEqual(marks);
        expect(parts.preamble()).toEqual(whole.preamble());
        expect(parts.elementaryPids).toEqual(whole.elementaryPids);
      }),
      { numRuns: fuzzRounds(300) },
    );
  });

  it('a caller may use the memory of a chunk again', () => {
    for (const stream of streams) {
      const scanner = createScanner('video/mp2t');
      const memory = Buffer.alloc(1000);
      const marks: Mark[] = [];
      for (const chunk of chunksOf(stream, [1000])) {
        memory.set(chunk);
        marks.push(...scanner.push(memory.subarray(0, chunk.length)));
        memory.fill(0);
      }
      expect(marks).toEqual(marksOf(stream));
    }
  });

  it('one byte at a time is as good', () => {
    for (const stream of streams) {
      const scanner = createScanner('video/mp2t');
      expect(chunksOf(stream.subarray(0, 6000), [1]).flatMap((chunk) => scanner.push(chunk))).toEqual(
        marksOf(stream.subarray(0, 6000)),
      );
    }
  });

  it('a truncated stream has the marks of the whole one, up to where it ends', () => {
    for (const stream of streams) {
      const all = marksOf(stream);
      for (let end = 0; end < Math.min(stream.length, 8000); end += 61) {
        const some = marksOf(stream.subarray(0, end));
        expect(some).toEqual(all.slice(0, some.length));
      }
    }
  });

  it('a mark is where a packet begins with a PES packet or a table', () => {
    fc.assert(
      fc.property(damaged, (bytes) => {
        for (const mark of marksOf(bytes, 0)) {
          const header = parsePacketHeader(bytes, mark.offset);
          expect(bytes[mark.offset]).toBe(0x47);
          expect(header?.isStart).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('behind garbage the next key frames are found', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (garbage) => {
        const again = Buffer.concat([streams[1], garbage, streams[1]]);
        const last = cutsOf(again).at(-1);
        expect(last).toMatchObject({
          offset: (cutsOf(streams[1]).at(-1)?.offset ?? 0) + streams[1].length + garbage.length,
        });
      }),
      { numRuns: 100 },
    );
  });
});
