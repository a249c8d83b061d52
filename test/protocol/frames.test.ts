import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Frame,
  type FrameKind,
  FrameReader,
  encodeFrame,
  encodeFrameHeader,
} from '../../protocol/frames.ts';
import { fuzzRounds, fuzzTimeoutMs, mutate, seededRandom } from '../support/mutation.ts';

const kinds: readonly FrameKind[] = ['media', 'injected', 'control'];
const frames = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    payload: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  }),
  { maxLength: 20 },
);

function readInPieces(
  bytes: Uint8Array,
  pieces: readonly number[],
): { frames: Frame[]; reader: FrameReader } {
  const reader = new FrameReader();
  const read: Frame[] = [];
  let from = 0;
  for (let turn = 0; from < bytes.length; turn += 1) {
    const length = Math.max(1, pieces[turn % Math.max(1, pieces.length)] ?? 1);
    for (const { kind, payload } of reader.push(bytes.subarray(from, from + length))) {
      read.push({ kind, payload: Buffer.from(payload) });
    }
    from += length;
  }
  return { frames: read, reader };
}

/** Media and injected bytes come in pieces: of neighbours of one kind only the bytes matter. */
function joinPieces(read: readonly Frame[]): readonly Frame[] {
  const joined: Frame[] = [];
  for (const { kind, payload } of read) {
    const last = joined.at(-1);
    if (last?.kind !== kind || kind === 'control') joined.push({ kind, payload: Buffer.from(payload) });
    else joined.splice(-1, 1, { kind, payload: Buffer.concat([last.payload, payload]) });
  }
  return joined;
}

function documentsOf(read: readonly Frame[]): readonly Buffer[] {
  return read.flatMap(({ kind, payload }) => (kind === 'control' ? [Buffer.from(payload)] : []));
}

describe('frames', () => {
  it('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 400 })), (written, pieces) => {
        const bytes = Buffer.concat(written.map(({ kind, payload }) => encodeFrame(kind, payload)));
        const read = readInPieces(bytes, pieces);
        expect(read.reader.problem).toBeUndefined();
        expect(joinPieces(read.frames)).toEqual(joinPieces(written));
        expect(documentsOf(read.frames)).toEqual(documentsOf(written));
      }),
    );
  });

  it.each([
    ['media', 188, '000000bc'],
    ['injected', 188, '400000bc'],
    ['control', 188, '800000bc'],
    ['media', 65_536, '00010000'],
  ] as const)('have a header of kind and length: %s of %i bytes', (kind, length, hex) => {
    expect(encodeFrameHeader(kind, length).toString('hex')).toBe(hex);
  });

  it.each([
    ['frame-length', '00000000'],
    ['frame-length', '00010001'],
    ['frame-length', '3fffffff'],
    ['frame-length', '40010001'],
    ['frame-flags', 'c0000001'],
    ['control-length', '80002001'],
  ])('are unreadable for %s: %s', (problem, hex) => {
    const reader = new FrameReader();
    const good = reader.push(
      Buffer.concat([encodeFrame('media', Buffer.from('a')), Buffer.from(hex, 'hex')]),
    );
    expect(good.map(({ payload }) => Buffer.from(payload).toString())).toEqual(['a']);
    expect(reader.problem).toBe(problem);
    expect(reader.push(encodeFrame('media', Buffer.from('b')))).toEqual([]);
  });

  it('give media as they come and documents when they are whole', () => {
    const reader = new FrameReader();
    const media = encodeFrame('media', Buffer.alloc(100));
    expect(reader.push(media.subarray(0, 14)).map(({ payload }) => payload.length)).toEqual([10]);
    expect(reader.push(media.subarray(14)).map(({ payload }) => payload.length)).toEqual([90]);
    const document = encodeFrame('control', '<hosp/>');
    expect(reader.push(document.subarray(0, 8))).toEqual([]);
    expect(reader.push(document.subarray(8)).map(({ payload }) => Buffer.from(payload).toString())).toEqual([
      '<hosp/>',
    ]);
  });

  it('are not made where no reader takes them', () => {
    expect(() => encodeFrame('media', Buffer.alloc(0))).toThrow(RangeError);
    expect(() => encodeFrame('media', Buffer.alloc(65_537))).toThrow(RangeError);
    expect(() => encodeFrame('control', Buffer.alloc(8193))).toThrow(RangeError);
  });

  it('are read in bounded memory and within limits whatever comes', { timeout: fuzzTimeoutMs }, () => {
    const random = seededRandom(1);
    const rounds = fuzzRounds(20_000);
    const goldens = kinds.map((kind) => encodeFrame(kind, Buffer.alloc(100, kind)));
    const golden = Buffer.concat(goldens);
    for (let round = 0; round < rounds; round += 1) {
      const { frames: read } = readInPieces(mutate(golden, goldens, random), [
        1 + Math.floor(random() * 200),
      ]);
      for (const { kind, payload } of read) {
        expect(payload.length).toBeGreaterThan(0);
        expect(payload.length).toBeLessThanOrEqual(kind === 'control' ? 8192 : 65_536);
      }
    }
  });
});
