import { describe, expect, it } from 'vitest';
import { isLater, nextBoot } from '../../protocol/announcement-order.ts';

describe('the order of announcements', () => {
  it.each([
    ['the first one', { boot: 1, seq: 1 }, undefined, true],
    ['a higher seq', { boot: 1, seq: 2 }, { boot: 1, seq: 1 }, true],
    ['a higher boot, whatever the seq', { boot: 2, seq: 0 }, { boot: 1, seq: 9 }, true],
    ['the same again', { boot: 1, seq: 1 }, { boot: 1, seq: 1 }, false],
    ['a lower seq', { boot: 1, seq: 1 }, { boot: 1, seq: 2 }, false],
    ['a lower boot, whatever the seq', { boot: 1, seq: 9 }, { boot: 2, seq: 0 }, false],
    ['a plain patent message', undefined, undefined, true],
    ['a plain patent message of a server that has shown a boot', undefined, { boot: 1, seq: 1 }, false],
  ])('says of %s whether it counts', (_what, order, last, counts) => {
    expect(isLater(order, last)).toBe(counts);
  });

  it('gives each start a higher boot, even where the clock went back', () => {
    expect(nextBoot(0, 1_700_000_000_000.7)).toBe(1_700_000_000_000);
    expect(nextBoot(1_700_000_000_000, 5)).toBe(1_700_000_000_001);
  });
});
