import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { durationMs, parseDuration } from '../../crds/duration.ts';
import { parseQuantity, quantityBytes } from '../../crds/quantity.ts';

describe('durations', () => {
  it.each([
    ['10s', 10_000],
    ['168h', 604_800_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['100ms', 100],
    ['250us', 0.25],
    ['250µs', 0.25],
    ['0', 0],
    ['87600h', 315_360_000_000],
  ])('reads %s', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it.each([
    '',
    '10',
    's',
    '10 s',
    '-1s',
    '1d',
    '1S',
    '10s ',
    '1h30',
    '.5s',
    '1..5s',
    '1s1',
    '9'.repeat(15) + 's',
    '１s',
  ])('takes %j for none', (text) => {
    expect(parseDuration(text)).toBeUndefined();
    expect(() => durationMs(text)).toThrow(RangeError);
  });
});

describe('quantities', () => {
  it.each([
    ['200Gi', 200 * 2 ** 30],
    ['5G', 5e9],
    ['1.5Ti', 1.5 * 2 ** 40],
    ['1e9', 1e9],
    ['1E9', 1e9],
    ['100', 100],
    ['1k', 1000],
    ['500m', 0.5],
    ['0Gi', 0],
    ['-1Gi', -(2 ** 30)],
    ['+1Mi', 2 ** 20],
    ['.5Gi', 2 ** 29],
  ])('reads %s', (text, amount) => {
    expect(parseQuantity(text)).toBe(amount);
  });

  it('rounds a part of a byte up', () => {
    expect(quantityBytes('500m')).toBe(1);
  });

  it.each([
    '',
    'Gi',
    '5GB',
    '5K',
    '5 Gi',
    '1e',
    '1e999',
    '0x10',
    '1,5Gi',
    '9'.repeat(21),
    '5gi',
    '--5',
    '5Gi ',
  ])('takes %j for none', (text) => {
    expect(parseQuantity(text)).toBeUndefined();
    expect(() => quantityBytes(text)).toThrow(RangeError);
  });
});

it('gives a number or nothing for any text', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{1,12}(ns|ms|s|m|h|Ki|Mi|Gi|e[0-9]|E)?$/));
  fc.assert(
    fc.property(text, (amount) => {
      for (const parsed of [parseDuration(amount), parseQuantity(amount)]) {
        expect(parsed === undefined || Number.isFinite(parsed)).toBe(true);
      }
    }),
    { numRuns: 2000, seed: 17_320 },
  );
});
