import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DraftLine, RecordPlan } from '../../../agent/sinks/record-plan.ts';
import { type Extent, FileExtents } from '../../../agent/sinks/recording-extents.ts';
import { joinExtents } from '../../../agent/sinks/recording-spans.ts';
import type { MediaType } from '../../../protocol/documents.ts';
import { hashFrames } from '../../../protocol/media/frame-hashes.ts';
import { testFrames } from '../../support/check-home.ts';

interface MemoryFile {
  readonly path: string;
  bytes: Buffer;
  readonly lines: DraftLine[];
}

/** Carries out batches in memory, and checks what each of them promises. */
class MemoryFiles {
  readonly files: MemoryFile[] = [];

  takeAll(plan: RecordPlan, maxBytes: number, nowMs: number, everything: boolean): void {
    for (let batch = plan.take(maxBytes, nowMs, everything); batch !== undefined;) {
      if (batch.open !== undefined) {
        this.files.push({ path: `${this.files.length}`, bytes: Buffer.alloc(0), lines: [] });
      }
      const file = this.files.at(-1);
      if (file === undefined) throw new Error('bytes without a file');
      assert.equal(batch.position, file.bytes.length);
      file.bytes = Buffer.concat([file.bytes, ...batch.chunks]);
      assert.equal(batch.end.position, file.bytes.length);
      for (const line of batch.lines) assert.ok(line.position <= file.bytes.length);
      file.lines.push(...batch.lines, batch.end);
      batch = plan.take(maxBytes, nowMs, everything);
    }
  }

  extents(): Extent[] {
    return this.files.flatMap(({ path, bytes, lines }) => {
      const index = new FileExtents();
      for (const line of lines) index.add(line);
      assert.equal(index.contradictions, 0);
      return index.extents({ path, term: 1, bytes: bytes.length });
    });
  }

  at(extent: Extent, offset: number, length: number): Buffer {
    const start = extent.position + offset - extent.offset;
    return this.files[Number(extent.path)]?.bytes.subarray(start, start + length) ?? Buffer.alloc(0);
  }
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('bytes' as const), length: fc.integer({ min: 1, max: 900 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('injected' as const),
      length: fc.integer({ min: 1, max: 400 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('begin' as const), back: fc.integer({ min: -300, max: 900 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('handover' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('take' as const), max: fc.integer({ min: 1, max: 2000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 3000 }) }),
  },
);

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** A client, and the disk's turns in between. */
class Run {
  readonly plan: RecordPlan;
  readonly files = new MemoryFiles();
  readonly given = new Set<number>();
  now = 0;
  #offset = 1000;

  constructor(media: MediaType) {
    this.plan = new RecordPlan(media, { segmentBytes: 1500, segmentMs: 8000 });
    this.plan.begin({ offset: this.#offset, timeMs: 0, why: 'start' }, this.now);
  }

  apply(action: Step): void {
    if (action.kind === 'bytes') this.#write(action.length);
    else if (action.kind === 'injected') this.plan.write(Buffer.alloc(action.length, 0x2a), false, this.now);
    else if (action.kind === 'begin') this.#begin(Math.max(0, this.#offset - action.back), 'gap');
    else if (action.kind === 'handover') this.#begin(this.#offset, 'handover');
    else if (action.kind === 'take') this.files.takeAll(this.plan, action.max, this.now, false);
    else this.now += action.ms;
  }

  #write(length: number): void {
    this.plan.write(sourceBytes(this.#offset, length), true, this.now);
    for (let at = this.#offset; at < this.#offset + length; at += 1) this.given.add(at);
    this.#offset += length;
  }

  #begin(offset: number, why: 'gap' | 'handover'): void {
    this.#offset = offset;
    this.plan.begin({ offset, timeMs: this.now, why }, this.now);
  }
}

/** The byte of the source at an offset: one in ten a line end. */
function sourceByte(offset: number): number {
  const mixed = Math.imul(offset + 1, 2_654_435_761) >>> 0;
  return mixed % 10 === 0 ? 10 : 97 + (mixed % 26);
}

function sourceBytes(from: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => sourceByte(from + index)));
}

describe('a plan of what is recorded where', () => {
  for (const media of ['text/plain', 'application/octet-stream', 'video/mp2t'] satisfies MediaType[]) {
    it(`joins back to the source's bytes after any order of begins, bytes and injected bytes (${media})`, () => {
      fc.assert(
        fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
          const run = new Run(media);
          for (const action of steps) run.apply(action);
          const { plan, files, given } = run;
          files.takeAll(plan, 700, run.now, true);
          expect(plan.isEmpty).toBe(true);
          for (const { bytes, lines } of files.files) {
            for (const { why, offset, position } of lines) {
              expect(why !== 'cut' || bytes[position] === sourceByte(offset)).toBe(true);
            }
          }
          const seen = new Set<number>();
          for (const { from, to, holders } of joinExtents(files.extents())) {
            for (const holder of holders)
              expect(files.at(holder, from, to - from)).toEqual(sourceBytes(from, to - from));
            if (holders.length > 0) for (let at = from; at < to; at += 1) seen.add(at);
          }
          expect(seen).toEqual(given);
        }),
        { numRuns: 150 },
      );
    });
  }

  it('begins a new file at the first cut behind the size, and nowhere else', () => {
    const plan = new RecordPlan('text/plain', { segmentBytes: 1000, segmentMs: 1e9 });
    const files = new MemoryFiles();
    plan.begin({ offset: 0, timeMs: 0, why: 'start' }, 0);
    for (let line = 0; line < 100; line += 1) plan.write(Buffer.from(`${'x'.repeat(98)}\n`), true, line);
    files.takeAll(plan, 1e6, 100, false);
    expect(files.files.map(({ bytes }) => bytes.length)).toEqual([
      1089, 1089, 1089, 1089, 1089, 1089, 1089, 1089, 1089, 99,
    ]);
    for (const { bytes } of files.files) expect(bytes.toString().endsWith('\n')).toBe(true);
  });

  it('begins a new file at the first cut after the time', () => {
    const plan = new RecordPlan('text/plain', { segmentBytes: 1e9, segmentMs: 1000 });
    const files = new MemoryFiles();
    plan.begin({ offset: 0, timeMs: 0, why: 'start' }, 0);
    for (let second = 0; second < 4; second += 1) plan.write(Buffer.from('one\ntwo'), true, second * 600);
    files.takeAll(plan, 1e6, 4000, true);
    expect(files.files.map(({ bytes }) => bytes.toString())).toEqual([
      'one\ntwoone\ntwoone\n',
      'twoone\ntwo',
    ]);
  });

  it('begins files at key frames also where they show only after their first bytes were due for the disk', () => {
    const frames = testFrames(90);
    const film = Buffer.concat(frames);
    const plan = new RecordPlan('video/mp2t', { segmentBytes: film.length / 5, segmentMs: 1e9 });
    const files = new MemoryFiles();
    plan.begin({ offset: 0, timeMs: 0, why: 'start' }, 0);
    for (let at = 0; at < film.length; at += 100) {
      plan.write(film.subarray(at, at + 100), true, at / 1000);
      files.takeAll(plan, 1e6, at / 1000, false);
    }
    files.takeAll(plan, 1e6, 1e6, true);
    expect(files.files.length).toBeGreaterThanOrEqual(3);
    for (const { bytes } of files.files) expect(hashFrames(bytes)[0]?.isKey).toBe(true);
  });

  it('has no line for a cut that shows behind injected bytes, rather than one with a wrong place', () => {
    const film = Buffer.concat(testFrames(20));
    const plan = new RecordPlan('video/mp2t', { segmentBytes: 1e9, segmentMs: 1e9 });
    const files = new MemoryFiles();
    plan.begin({ offset: 0, timeMs: 0, why: 'start' }, 0);
    for (let at = 0; at < film.length; at += 50) {
      plan.write(Buffer.from('injected'), false, at);
      plan.write(film.subarray(at, at + 50), true, at);
      files.takeAll(plan, 1e6, at, true);
    }
    const [file] = files.files;
    const cuts = file?.lines.filter(({ why }) => why === 'cut') ?? [];
    for (const { offset, position } of cuts) {
      const until = Math.ceil((offset + 1) / 50) * 50;
      const expected = film.subarray(offset, until);
      expect(file?.bytes.subarray(position, position + expected.length)).toEqual(expected);
    }
  });

  it('goes on in the same file where a handover came back', () => {
    const plan = new RecordPlan('text/plain', { segmentBytes: 1e9, segmentMs: 1e9 });
    const files = new MemoryFiles();
    plan.begin({ offset: 7, timeMs: 0, why: 'start' }, 0);
    plan.write(Buffer.from('abc'), true, 0);
    plan.begin({ offset: 10, timeMs: 5, why: 'handover' }, 0);
    plan.write(Buffer.from('def'), true, 0);
    files.takeAll(plan, 1e6, 0, true);
    expect(files.files).toHaveLength(1);
    expect(files.files[0]?.lines.map(({ why, offset, position }) => [why, offset, position])).toEqual([
      ['start', 7, 0],
      ['handover', 10, 3],
      ['safe', 13, 6],
    ]);
  });

  it('thins out the lines of cuts: with lines every few bytes are one', () => {
    const plan = new RecordPlan('text/plain', { segmentBytes: 1e9, segmentMs: 1e9 });
    const files = new MemoryFiles();
    plan.begin({ offset: 0, timeMs: 0, why: 'start' }, 0);
    plan.write(Buffer.from('a\n'.repeat(100_000)), true, 0);
    files.takeAll(plan, 1e6, 0, true);
    expect(files.files[0]?.lines.length).toBeLessThan(20);
  });

  it('refuses bytes before the first begin', () => {
    const plan = new RecordPlan('text/plain', { segmentBytes: 1, segmentMs: 1 });
    expect(() => plan.write(Buffer.from('a'), true, 0)).toThrow('before the first begin');
  });
});
