import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { backOffMs } from '../../../operator/kube/back-off.ts';
import { QueueState } from '../../../operator/kube/queue-state.ts';
import { createWorkQueue } from '../../../operator/kube/queue.ts';

describe('the wait before the next try', () => {
  const limits = { firstMs: 500, maxMs: 30_000 };

  it.each([
    [1, 0, 0, 500],
    [1, 1, 0, 250],
    [2, 0, 0, 1000],
    [7, 0, 0, 30_000],
    [100_000, 0, 0, 30_000],
    [0, 0, 0, 500],
    [1, 0, 2000, 2000],
    [1, 1, 2000, 2200],
    [1, 0, 9e9, 30_000],
  ])(
    'is after %i failures, with %f of jitter and a wish of %i ms, %i ms',
    (failures, random, wish, waitMs) => {
      expect(backOffMs(failures, random, limits, wish)).toBeCloseTo(waitMs);
    },
  );
});

describe('the rules of the queue', () => {
  it('never run a key twice at once, nor more keys than allowed, and lose none', () => {
    const step = fc.oneof(
      fc.record({ type: fc.constant('add' as const), key: fc.constantFrom('a', 'b', 'c', 'd') }),
      fc.record({
        type: fc.constant('finish' as const),
        fails: fc.boolean(),
        retryAfterMs: fc.option(fc.nat(5000), { nil: undefined }),
      }),
      fc.record({ type: fc.constant('wait' as const), ms: fc.nat(100_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const state = new QueueState(2);
        const running = new Set<string>();
        /** Keys that were added after their last run began. */
        const owed = new Set<string>();
        let nowMs = 0;
        const take = () => {
          for (const key of state.take(nowMs)) {
            expect(running.has(key)).toBe(false);
            running.add(key);
            owed.delete(key);
          }
          expect(running.size).toBeLessThanOrEqual(2);
        };
        const finish = (fails: boolean, retryAfterMs?: number) => {
          const [key] = running;
          if (key === undefined) return;
          running.delete(key);
          const wish = retryAfterMs === undefined ? {} : { retryAfterMs };
          state.finish(key, { type: fails ? 'failed' : 'done', ...wish }, nowMs, 0.5);
        };
        for (const next of steps) {
          if (next.type === 'add') {
            state.add(next.key);
            owed.add(next.key);
          } else if (next.type === 'finish') finish(next.fails, next.retryAfterMs);
          else nowMs += next.ms;
          take();
        }
        for (let rounds = 0; rounds < 20; rounds += 1) {
          nowMs += 200_000;
          take();
          finish(false);
        }
        expect([...owed]).toEqual([]);
        expect(state.depth).toBe(0);
      }),
    );
  });

  it('wait longer with each failure, though the key is added again and again, and begin anew after a success', () => {
    const state = new QueueState(1);
    const waits: number[] = [];
    let nowMs = 0;
    state.add('a');
    for (const type of ['failed', 'failed', 'failed', 'done', 'failed'] as const) {
      expect(state.take(nowMs)).toEqual(['a']);
      state.add('a');
      state.finish('a', { type }, nowMs, 0);
      state.add('a');
      const dueMs = state.nextDueMs() ?? nowMs;
      waits.push(dueMs - nowMs);
      nowMs = dueMs;
    }
    expect(waits).toEqual([500, 1000, 2000, 0, 500]);
  });

  it('run what was added during a run once more, however often it was added', () => {
    const state = new QueueState(4);
    state.add('a');
    expect(state.take(0)).toEqual(['a']);
    for (let n = 0; n < 10; n += 1) state.add('a');
    expect(state.take(0)).toEqual([]);
    state.finish('a', { type: 'done' }, 0, 0);
    expect(state.take(0)).toEqual(['a']);
    state.finish('a', { type: 'done' }, 0, 0);
    expect(state.take(0)).toEqual([]);
  });

  it('keep to time where the clock jumps', () => {
    const state = new QueueState(1);
    state.add('a');
    state.take(1_000_000);
    state.finish('a', { type: 'done', retryAfterMs: 100 }, 1_000_000, 0);
    expect(state.take(0)).toEqual([]);
    expect(state.take(9e12)).toEqual(['a']);
  });
});

describe('the queue', () => {
  it('tries a key again that failed, and tells why', async () => {
    const errors: string[] = [];
    let runs = 0;
    const queue = createWorkQueue({
      run: async () => {
        runs += 1;
        if (runs < 3) throw new Error(`failure ${runs}`);
        return undefined;
      },
      onError: (key, error) => errors.push(`${key}: ${error.message}`),
    });
    queue.add('a');
    await vi.waitFor(() => expect(runs).toBe(3), { timeout: 15_000 });
    expect(errors).toEqual(['a: failure 1', 'a: failure 2']);
    await vi.waitFor(() => expect(queue.depth).toBe(0));
    await queue.close();
  });

  it('aborts what runs when it closes, waits for its end, and runs nothing more', async () => {
    const log: string[] = [];
    const queue = createWorkQueue({
      concurrency: 1,
      run: async (key, signal) => {
        log.push(`begin ${key}`);
        const { promise, resolve } = Promise.withResolvers<void>();
        signal.addEventListener('abort', () => setTimeout(resolve, 50));
        await promise;
        log.push(`end ${key}`);
        return undefined;
      },
    });
    queue.add('a');
    queue.add('b');
    await vi.waitFor(() => expect(log).toEqual(['begin a']));
    await queue.close();
    queue.add('c');
    expect(log).toEqual(['begin a', 'end a']);
    expect(queue.depth).toBe(0);
  });
});
