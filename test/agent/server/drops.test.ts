import { describe, expect, it } from 'vitest';
import { Drops } from '../../../agent/server/drops.ts';

describe('Drops', () => {
  it('tells the first of a reason at once, and then once a second the last with their number', () => {
    const told: unknown[] = [];
    const drops = new Drops((event) => told.push(event));
    drops.note({ reason: 'signature', detail: 'first', from: '192.168.1.9' }, 0);
    for (let ms = 1; ms < 1000; ms += 1) drops.note({ reason: 'signature', detail: `at ${ms}` }, ms);
    expect(told).toEqual([
      { event: 'dropped', reason: 'signature', detail: 'first', from: '192.168.1.9', count: 1 },
    ]);
    drops.flush(1000);
    expect(told.at(-1)).toEqual({ event: 'dropped', reason: 'signature', detail: 'at 999', count: 999 });
    drops.flush(2000);
    expect(told).toHaveLength(2);
    expect(drops.counts).toEqual({ signature: 1000 });
  });

  it('keeps reasons apart', () => {
    const told: string[] = [];
    const drops = new Drops((event) => told.push(event.event === 'dropped' ? event.reason : ''));
    drops.note({ reason: 'a', detail: '' }, 0);
    drops.note({ reason: 'b', detail: '' }, 1);
    drops.note({ reason: 'a', detail: '' }, 2);
    expect(told).toEqual(['a', 'b']);
  });
});
