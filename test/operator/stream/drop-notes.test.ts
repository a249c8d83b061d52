import { expect, it } from 'vitest';
import { DropNotes } from '../../../operator/stream/drop-notes.ts';

it('tells of the first drop of a reason at once, and of the rest by number', () => {
  const notes = new DropNotes();
  const note = (nowMs: number, reason = 'denied') =>
    notes.note(reason, 'the key is denied', '10.0.0.9', nowMs);
  expect(note(0)).toBe('the key is denied (denied, from 10.0.0.9)');
  expect([note(1), note(2), note(9999)]).toEqual([undefined, undefined, undefined]);
  expect(note(3, 'expired')).toBe('the key is denied (expired, from 10.0.0.9)');
  expect(note(10_000)).toBe('the key is denied (denied, from 10.0.0.9, 4 times since the last line)');
});
