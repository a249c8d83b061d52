import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openEventBatches } from '../../operator/event-batches.ts';
import type { EventNote, Move } from '../../operator/reconcile/events.ts';
import { worldOf } from '../support/cluster-world.ts';

const move = (camera: string, to: string): Move => ({ camera, from: 'pi', to, why: 'drain' });

describe('events', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function open() {
    const notes: EventNote[] = [];
    const batches = openEventBatches({
      world: () => worldOf(),
      record: async (note) => void notes.push(note),
    });
    return { notes, batches };
  }

  it('are one for all moves of two seconds that go the same way', async () => {
    const { notes, batches } = open();
    for (let index = 0; index < 50; index += 1) batches.tell({ move: move(`cams/c${index}`, 'nuc') });
    batches.tell({ move: move('cams/door', 'attic') });
    await vi.advanceTimersByTimeAsync(1999);
    expect(notes).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(notes.map(({ note }) => note)).toEqual([
      '50 cameras moved from pi to nuc: the other is draining',
      'cams/door moved from pi to attic: the other is draining',
    ]);
  });

  it('are at most twenty a batch', async () => {
    const { notes, batches } = open();
    for (let index = 0; index < 50; index += 1) batches.tell({ move: move('cams/door', `server${index}`) });
    await vi.advanceTimersByTimeAsync(2000);
    expect(notes).toHaveLength(20);
  });

  it('that are gathered are written at the end', async () => {
    const { notes, batches } = open();
    batches.tell({ move: move('cams/door', 'nuc') });
    await batches.close();
    expect(notes).toHaveLength(1);
  });
});
