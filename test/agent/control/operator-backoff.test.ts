import { describe, expect, it } from 'vitest';
import { backOffMs } from '../../../agent/control/operator-backoff.ts';

describe('the pause before the next call', () => {
  it('doubles up to half a minute', () => {
    expect([1, 2, 3, 4, 7, 20, 1e9].map((failures) => backOffMs(failures, 1))).toEqual([
      500, 1000, 2000, 4000, 30_000, 30_000, 30_000,
    ]);
  });

  it('is spread over half of itself, so that agents do not call together', () => {
    expect([0, 0.5, 1].map((entropy) => backOffMs(10, entropy))).toEqual([15_000, 22_500, 30_000]);
  });

  it('is never shorter than the operator asked for', () => {
    expect(backOffMs(1, 0, 15_000)).toBe(15_000);
  });
});
