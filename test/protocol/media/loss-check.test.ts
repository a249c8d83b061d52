import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareFrames, type FrameReport, type Hashed } from '../../../protocol/media/loss-check.ts';

function frames(text: string): readonly Hashed[] {
  return text.split('').map((hash, index) => ({ hash, offset: index * 10, pts: index }));
}

function compare(reference: string, recorded: string): FrameReport {
  const result = compareFrames(frames(reference), frames(recorded));
  if (!result.ok) throw new Error(result.detail);
  return result.value;
}

const nothing = { lost: 0, repeated: 0, damaged: 0, foreign: 0, misplaced: 0 };

describe('frames against a reference', () => {
  it.each([
    { recorded: 'abcdef', counts: nothing, isWhole: true, says: 'all there' },
    { recorded: 'abdef', counts: { ...nothing, lost: 1 }, isWhole: false, says: 'one lost in the middle' },
    { recorded: 'cdef', counts: { ...nothing, lost: 2 }, isWhole: false, says: 'lost at the start' },
    { recorded: 'abcd', counts: { ...nothing, lost: 2 }, isWhole: false, says: 'lost at the end' },
    { recorded: '', counts: { ...nothing, lost: 6 }, isWhole: false, says: 'nothing recorded' },
    { recorded: 'abcbcdef', counts: { ...nothing, repeated: 2 }, isWhole: true, says: 'replayed from a cut' },
    { recorded: 'abcdefabcdef', counts: { ...nothing, repeated: 6 }, isWhole: true, says: 'all twice' },
    { recorded: 'abXdef', counts: { ...nothing, damaged: 1 }, isWhole: false, says: 'another in its place' },
    { recorded: 'abXYef', counts: { ...nothing, damaged: 2 }, isWhole: false, says: 'two others' },
    { recorded: 'abXef', counts: { ...nothing, damaged: 1, lost: 1 }, isWhole: false, says: 'one of two' },
    { recorded: 'abcXdef', counts: { ...nothing, foreign: 1 }, isWhole: false, says: 'one too many' },
    { recorded: 'XYabcdef', counts: { ...nothing, foreign: 2 }, isWhole: false, says: 'strangers before' },
    { recorded: 'abcdeX', counts: { ...nothing, damaged: 1 }, isWhole: false, says: 'a damaged end' },
    { recorded: 'abdcef', counts: { ...nothing, misplaced: 1 }, isWhole: false, says: 'two exchanged' },
    {
      recorded: 'abXbXcdef',
      counts: { ...nothing, repeated: 1, foreign: 2 },
      isWhole: false,
      says: 'strangers in a replay',
    },
  ])('$recorded of abcdef: $says', ({ recorded, counts, isWhole }) => {
    expect(compare('abcdef', recorded)).toMatchObject({
      frames: 6,
      recorded: recorded.length,
      ...counts,
      isWhole,
    });
  });

  it('tell which are lost', () => {
    expect(compare('abcdefgh', 'adefg').lostRuns).toEqual([
      { first: 1, last: 2, offset: 10, pts: 1 },
      { first: 7, last: 7, offset: 70, pts: 7 },
    ]);
  });

  it('are not compared where frames of the reference are alike, or there are none', () => {
    expect(compareFrames(frames('abca'), frames('abc'))).toMatchObject({
      ok: false,
      reason: 'alike',
      detail: "comparing frames: 1 of the reference's 4 frames are like others",
    });
    expect(compareFrames([], frames('abc'))).toMatchObject({ ok: false, reason: 'empty' });
  });

  it('add up: what is not lost or damaged was recorded, and all that was recorded is accounted for', () => {
    const reference = fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 20 });
    const recorded = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 40 });
    fc.assert(
      fc.property(reference, recorded, (source, copy) => {
        const hashed = (values: readonly number[]) =>
          values.map((value) => ({ hash: String(value), offset: value }));
        const result = compareFrames(hashed(source), hashed(copy));
        if (!result.ok) throw new Error(result.detail);
        const { lost, damaged, foreign, repeated, lostRuns, isWhole } = result.value;
        const seen = new Set(copy.filter((value) => source.includes(value)));
        expect(source.length - lost - damaged).toBe(seen.size);
        expect(seen.size + repeated + damaged + foreign).toBe(copy.length);
        expect(lostRuns.reduce((sum, { first, last }) => sum + last - first + 1, 0)).toBe(lost);
        expect(isWhole && !source.every((value) => copy.includes(value))).toBe(false);
      }),
    );
  });
});
