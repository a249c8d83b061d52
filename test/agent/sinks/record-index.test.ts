import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeIndexLine, parseIndexLine } from '../../../agent/sinks/record-index.ts';
import { formatSegmentName, parseSegmentName } from '../../../agent/sinks/record-names.ts';
import { recoverRecordings } from '../../../agent/sinks/record-recovery.ts';
import { FileExtents } from '../../../agent/sinks/recording-extents.ts';
import { joinRecordings } from '../../support/join-recordings.ts';
import { record } from '../../support/check-home.ts';
import { recordedBytes } from '../../support/recorded-bytes.ts';

const line = {
  term: 5,
  offset: 188,
  position: 940,
  time: 1_790_000_000_123,
  pts: 90_000,
  why: 'cut',
  file: '5-0.ts',
} as const;
const address = { name: 'default/door', stream: 'main', term: 5, media: 'text/plain' } as const;

describe('a line of an index', () => {
  it('is read as it was written', () => {
    expect(parseIndexLine(encodeIndexLine(line).trimEnd())).toEqual(line);
  });

  it('is nothing where it is torn, anywhere', () => {
    const text = encodeIndexLine(line).trimEnd();
    for (let length = 0; length < text.length; length += 1)
      expect(parseIndexLine(text.slice(0, length))).toBeUndefined();
  });

  it('is nothing where a field is wrong', () => {
    const wrong = [
      { ...line, offset: -1 },
      { ...line, offset: 2 ** 53 },
      { ...line, position: 1.5 },
      { ...line, time: '1' },
      { ...line, pts: null },
      { ...line, why: 'because' },
      { ...line, file: '../../etc/passwd' },
      { ...line, file: '6-0.ts' },
      { ...line, file: '5-0.ts/..' },
      { ...line, term: undefined },
      [line],
      null,
      'x',
    ];
    for (const value of wrong) expect(parseIndexLine(JSON.stringify(value) ?? '')).toBeUndefined();
    expect(parseIndexLine(`${JSON.stringify(line)}${' '.repeat(2000)}`)).toBeUndefined();
  });
});

describe('the name of a segment', () => {
  it('is read as it was written, and nothing else is read', () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.maxSafeNat(),
        fc.integer({ min: 1, max: 9999 }),
        (term, offset, copy) => {
          for (const media of [
            'video/mp2t',
            'text/plain',
            'application/x-ndjson',
            'application/octet-stream',
          ] as const) {
            const name = { term, offset, copy, media };
            expect(parseSegmentName(formatSegmentName(name))).toEqual(name);
          }
        },
      ),
    );
    for (const name of [
      'index.jsonl',
      '5-0.1.ts',
      '5-0.ts.tmp',
      '-0.ts',
      '5-.ts',
      '5-0.mp4',
      '../5-0.ts',
      '5-0.ts\n',
    ]) {
      expect(parseSegmentName(name)).toBeUndefined();
    }
  });
});

describe('what a file holds', () => {
  const extentsOf = (points: readonly (readonly [number, number])[], bytes = 1e9): unknown => {
    const file = new FileExtents();
    for (const [position, offset] of points) file.add({ position, offset });
    return file
      .extents({ path: 'x', term: 1, bytes })
      .map(({ position, offset, length }) => [position, offset, length]);
  };

  it('is counted where offset and position grow alike, and injected where the offset stays', () => {
    expect(
      extentsOf([
        [0, 100],
        [50, 100],
        [80, 130],
        [90, 140],
        [95, 140],
        [100, 145],
      ]),
    ).toEqual([
      [50, 100, 40],
      [95, 140, 5],
    ]);
  });

  it('is not more than the file has', () => {
    expect(
      extentsOf(
        [
          [0, 0],
          [100, 100],
        ],
        60,
      ),
    ).toEqual([[0, 0, 60]]);
    expect(
      extentsOf(
        [
          [0, 0],
          [10, 0],
          [100, 90],
        ],
        5,
      ),
    ).toEqual([]);
  });

  it('is not touched by a cut that was told late', () => {
    expect(
      extentsOf([
        [0, 0],
        [100, 100],
        [60, 60],
        [200, 200],
      ]),
    ).toEqual([[0, 0, 200]]);
  });

  it('is understood in spite of one line that contradicts all others', () => {
    expect(
      extentsOf([
        [0, 0],
        [100, 100],
        [150, 7],
        [200, 200],
      ]),
    ).toEqual([[0, 0, 200]]);
    expect(
      extentsOf([
        [0, 777],
        [100, 100],
        [150, 150],
        [200, 200],
      ]),
    ).toEqual([[100, 100, 100]]);
  });
});

describe('a damaged index', () => {
  let directory = '';
  let index: Buffer = Buffer.alloc(0);
  let folder = '';

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'homing-index-'));
    const source = recordedBytes(0, 300_000);
    for (const [from, to] of [
      [0, 100_000],
      [90_000, 200_000],
      [200_000, 300_000],
    ] as const) {
      await record(directory, address, { server: 'pi', source, from, to });
    }
    folder = join(directory, 'pi/default/door/main');
    index = await readFile(join(folder, 'index.jsonl'));
  });

  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  const mutation = fc.record({
    flips: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 6 }),
    cutAt: fc.option(fc.nat()),
    zeros: fc.nat({ max: 5000 }),
  });

  it('never makes reading fail, and never gives a byte a wrong place in silence', async () => {
    await fc.assert(
      fc.asyncProperty(mutation, async ({ flips, cutAt, zeros }) => {
        const damaged = Buffer.from(index);
        for (const [place, bits] of flips) {
          const at = place % damaged.length;
          damaged[at] = (damaged[at] ?? 0) ^ bits;
        }
        const kept = cutAt === null ? damaged : damaged.subarray(0, cutAt % damaged.length);
        await writeFile(join(folder, 'index.jsonl'), Buffer.concat([kept, Buffer.alloc(zeros)]));
        const joined = await joinRecordings([join(directory, 'pi')], 5);
        // Where every line that is left still fits the others, what is joined is the source.
        const isSilent =
          joined.problems.length === 0 && !joined.notes.some((note) => /hole|differs/.test(note));
        const isSource = joined.bytes.equals(recordedBytes(joined.first ?? 0, joined.bytes.length));
        expect(!isSilent || isSource || flips.length > 1).toBe(true);
        expect(joined.bytes.length).toBeLessThanOrEqual(310_000);
      }),
      { numRuns: 400 },
    );
  });

  it('never makes a start fail, and cuts nothing off but what no line vouches for', async () => {
    const scratch = join(directory, 'scratch/default/door/main');
    const names = (await readdir(folder)).filter((name) => name.endsWith('.txt'));
    const segments = await Promise.all(
      names.map(async (name) => ({ name, bytes: await readFile(join(folder, name)) })),
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat({ max: 3000 }), async (place, zeros) => {
        await rm(scratch, { recursive: true, force: true });
        await mkdir(scratch, { recursive: true });
        for (const { name, bytes } of segments) await writeFile(join(scratch, name), bytes);
        const torn = Buffer.concat([index.subarray(0, place % index.length), Buffer.alloc(zeros)]);
        await writeFile(join(scratch, 'index.jsonl'), torn);
        await recoverRecordings(join(directory, 'scratch'));
        const repaired = await readFile(join(scratch, 'index.jsonl'), 'utf8');
        expect(repaired === '' || repaired.endsWith('\n')).toBe(true);
        const lines = repaired.split('\n').slice(0, -1).map(parseIndexLine);
        for (const { name, bytes } of segments) {
          const vouched = lines.filter((one) => one?.file === name).map((one) => one?.position ?? 0);
          const expected = vouched.length === 0 ? bytes.length : Math.max(...vouched);
          expect((await stat(join(scratch, name))).size).toBe(expected);
        }
      }),
      { numRuns: 60 },
    );
  });
});
