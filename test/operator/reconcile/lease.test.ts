import { describe, expect, it } from 'vitest';
import { decideLease, holderOf, makeLease } from '../../../operator/reconcile/lease.ts';

const running = { podPhase: 'Running', isNodeReady: true };

describe('the Lease', () => {
  it.each([
    ['nobody holds it', undefined, {}, 'take'],
    ['it is ours already, as after a restart of the container', 'me', running, 'ours'],
    ['its holder runs', 'other', running, 'wait'],
    ['its holder is about to start', 'other', { podPhase: 'Pending', isNodeReady: true }, 'wait'],
    ['its holder is gone', 'other', {}, 'take'],
    ['its holder has ended', 'other', { podPhase: 'Failed', isNodeReady: true }, 'take'],
    ['its holder’s node is not ready', 'other', { podPhase: 'Running', isNodeReady: false }, 'take'],
    ['its holder’s node is gone', 'other', { podPhase: 'Running' }, 'take'],
  ])('where %s', (_, holder, pod, kind) => {
    expect(decideLease('me', holder, pod).kind).toBe(kind);
  });

  it('says who has it, counts who had it, and is never due', () => {
    const first = makeLease({ identity: 'a', namespace: 'n', now: '2026-07-01T12:00:00.123Z' }, undefined);
    expect(first.spec).toEqual({
      holderIdentity: 'a',
      acquireTime: '2026-07-01T12:00:00.123000Z',
      leaseTransitions: 0,
    });
    const second = makeLease({ identity: 'b', namespace: 'n', now: '2026-07-01T12:00:00.123Z' }, first);
    expect(second.spec.leaseTransitions).toBe(1);
    expect([holderOf(first), holderOf(second), holderOf({}), holderOf(undefined)]).toEqual([
      'a',
      'b',
      undefined,
      undefined,
    ]);
  });
});
