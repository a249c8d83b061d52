import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRingBudget, leastShareBytes } from '../../../agent/client/ring-budget.ts';
import { Ring, blockBytes } from '../../../agent/client/ring.ts';

const byteAt = (offset: number): number => (offset * 31 + (offset >> 8)) & 0xff;
const bytesFrom = (offset: number, length: number): Buffer => {
  return Buffer.from(Array.from({ length }, (_, i) => byteAt(offset + i)));
};

describe('a ring', () => {
  it('gives back what was pushed, by offset, whatever was freed', () => {
    const pushes = fc.record({
      push: fc.integer({ min: 0, max: 3000 }),
      keep: fc.integer({ min: 0, max: 5000 }),
    });
    fc.assert(
      fc.property(fc.array(pushes, { minLength: 1, maxLength: 60 }), (rounds) => {
        const ring = new Ring();
        // Near the end of a block, where mistakes would be.
        ring.push(bytesFrom(0, blockBytes - 2000));
        for (const { push, keep } of rounds) {
          ring.push(bytesFrom(ring.end, push));
          ring.free(Math.max(0, ring.end - keep));
          let at = ring.start;
          while (at < ring.end) {
            const view = ring.read(at, ring.end);
            expect(view.length).toBeGreaterThan(0);
            expect(Buffer.compare(view, bytesFrom(at, view.length))).toBe(0);
            at += view.length;
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('never changes bytes that it handed out', () => {
    const ring = new Ring();
    ring.push(bytesFrom(0, 1000));
    const view = ring.read(0, 1000);
    ring.free(1000);
    for (let i = 0; i < 10; i += 1) ring.push(Buffer.alloc(blockBytes, 0xff));
    expect(Buffer.compare(view, bytesFrom(0, 1000))).toBe(0);
  });

  it('refuses to read what it does not hold', () => {
    const ring = new Ring();
    ring.push(bytesFrom(0, 100));
    ring.free(50);
    expect(() => ring.read(49, 60)).toThrow('reading 49 to 60 of a ring that holds 50 to 100');
    expect(() => ring.read(60, 101)).toThrow(RangeError);
  });
});

describe('the ring budget', () => {
  it('is shared evenly, again with each client that comes or goes', () => {
    const budget = createRingBudget(12_000_000);
    const shares: [number, number] = [0, 0];
    const first = budget.join((bytes) => (shares[0] = bytes));
    expect(shares[0]).toBe(12_000_000);
    budget.join((bytes) => (shares[1] = bytes));
    expect(shares).toEqual([6_000_000, 6_000_000]);
    first.leave();
    first.leave();
    expect(shares).toEqual([6_000_000, 12_000_000]);
  });

  it('never gives less than a ring needs', () => {
    const budget = createRingBudget(1);
    let share = 0;
    budget.join((bytes) => (share = bytes));
    expect(share).toBe(leastShareBytes);
  });
});
