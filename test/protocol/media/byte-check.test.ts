import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes } from '../../../protocol/media/byte-check.ts';

const source = Buffer.from('abcdefghijklmnopqrstuvwxyz');
const reference = [{ term: 7, offset: 0, bytes: source }];

function piece(from: number, to: number, term = 7) {
  return { term, offset: from, bytes: source.subarray(from, to) };
}

describe('bytes against a reference', () => {
  it('are whole where parts join or overlap, in any order', () => {
    const report = compareBytes(reference, [piece(10, 26), piece(0, 12)]);
    expect(report).toEqual({
      bytes: 26,
      lost: 0,
      repeated: 2,
      damaged: 0,
      foreign: 0,
      lostRanges: [],
      isWhole: true,
    });
  });

  it('are lost where no part has them', () => {
    expect(compareBytes(reference, [piece(2, 10), piece(12, 20)])).toMatchObject({
      lost: 10,
      lostRanges: [
        { term: 7, from: 0, to: 2 },
        { term: 7, from: 10, to: 12 },
        { term: 7, from: 20, to: 26 },
      ],
      isWhole: false,
    });
    expect(compareBytes(reference, [])).toMatchObject({ lost: 26, isWhole: false });
  });

  it('are damaged where they differ, however often that was recorded', () => {
    const wrong = Buffer.from(source);
    wrong[5] = 0;
    const report = compareBytes(reference, [{ term: 7, offset: 0, bytes: wrong }, piece(0, 26)]);
    expect(report).toMatchObject({
      damaged: 1,
      firstDamage: { term: 7, offset: 5 },
      lost: 0,
      isWhole: false,
    });
  });

  it('are foreign behind the reference or of another term', () => {
    const beyond = { term: 7, offset: 26, bytes: Buffer.from('!!') };
    expect(compareBytes(reference, [piece(0, 26), beyond, piece(0, 3, 8)])).toMatchObject({
      foreign: 5,
      isWhole: false,
    });
  });

  it('of several terms are told apart', () => {
    const two = [...reference, { term: 8, offset: 0, bytes: Buffer.from('ABC') }];
    expect(compareBytes(two, [piece(0, 26)])).toMatchObject({
      bytes: 29,
      lost: 3,
      lostRanges: [{ term: 8, from: 0, to: 3 }],
    });
  });

  it('are counted as a count of each would', () => {
    const range = fc.tuple(fc.nat(25), fc.nat(25)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    fc.assert(
      fc.property(fc.array(range, { maxLength: 12 }), (ranges) => {
        const report = compareBytes(
          reference,
          ranges.map(([from, to]) => piece(from, to)),
        );
        const times = Array.from(
          { length: 26 },
          (_, at) => ranges.filter(([from, to]) => from <= at && at < to).length,
        );
        expect(report.lost).toBe(times.filter((count) => count === 0).length);
        expect(report.repeated).toBe(times.reduce((sum, count) => sum + Math.max(0, count - 1), 0));
        expect(report.damaged + report.foreign).toBe(0);
      }),
    );
  });
});
