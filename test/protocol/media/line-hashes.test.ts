import { describe, expect, it } from 'vitest';
import { LineHasher } from '../../../protocol/media/line-hashes.ts';
import { type Hashed, compareFrames } from '../../../protocol/media/loss-check.ts';

function hashed(text: string, { cut = 0, isByPlace = false } = {}): readonly Hashed[] {
  const hasher = new LineHasher({ isByPlace });
  const bytes = Buffer.from(text);
  const first = hasher.push(bytes.subarray(0, cut), 0);
  return [...first, ...hasher.push(bytes.subarray(cut), cut), ...hasher.finish()];
}

describe('lines against a reference', () => {
  it('are the same wherever the chunks end', () => {
    const text = '{"a":1}\n\n{"a":2}\nend';
    const whole = hashed(text);
    expect(whole.map(({ offset }) => offset)).toEqual([0, 8, 9, 17]);
    for (let cut = 0; cut <= text.length; cut += 1) expect(hashed(text, { cut })).toEqual(whole);
  });

  it('are not whole without their line feed', () => {
    const [whole, torn] = [hashed('1\n2\n'), hashed('1\n2')];
    expect(compareFrames(whole, torn)).toMatchObject({ ok: true, value: { lost: 0, damaged: 1 } });
  });

  it('show a lost one', () => {
    const result = compareFrames(hashed('1\n2\n3\n'), hashed('1\n3\n'));
    expect(result).toMatchObject({ ok: true, value: { lost: 1, lostRuns: [{ first: 1, offset: 2 }] } });
  });

  it('are told apart by place, if asked for', () => {
    const alike = '21\n21\n21\n';
    expect(new Set(hashed(alike).map(({ hash }) => hash)).size).toBe(1);
    expect(new Set(hashed(alike, { isByPlace: true }).map(({ hash }) => hash)).size).toBe(3);
  });

  it('do not go on over a hole', () => {
    const hasher = new LineHasher({ isByPlace: true });
    const bytes = Buffer.from('one\ntwo\nthree\n');
    const lines = [...hasher.push(bytes.subarray(0, 6), 0), ...hasher.push(bytes.subarray(7), 7)];
    const reference = hashed(bytes.toString(), { isByPlace: true });
    expect(lines.map(({ offset }) => offset)).toEqual([0, 4, 7, 8]);
    expect(lines.filter((line) => reference.some(({ hash }) => hash === line.hash))).toHaveLength(2);
    expect(compareFrames(reference, lines)).toMatchObject({
      ok: true,
      value: { lost: 0, damaged: 1, foreign: 1 },
    });
  });
});
