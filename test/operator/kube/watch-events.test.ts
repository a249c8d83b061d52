import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRetryAfter } from '../../../operator/kube/answers.ts';
import { ResourceStore } from '../../../operator/kube/resource-store.ts';
import { LineSplitter, readWatchEvent } from '../../../operator/kube/watch-events.ts';

describe('lines of a watch', () => {
  it('are the same however the bytes are cut', () => {
    const text = fc.string({ unit: 'grapheme' }).map((line) => line.replaceAll('\n', ''));
    fc.assert(
      fc.property(fc.array(text), fc.array(fc.nat(400)), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const splitter = new LineSplitter();
        const ends = [...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        const read = ends.flatMap(
          (end, n) => splitter.push(bytes.subarray(ends[n - 1] ?? 0, end)) ?? ['none'],
        );
        expect(read).toEqual(lines.filter((line) => line.trim() !== ''));
      }),
    );
  });

  it.each([
    ['a whole line at the bound', ['12345678\n'], ['12345678']],
    ['a line above it', ['123456789\n'], undefined],
    ['one that is not whole yet', ['1234', '56789'], undefined],
    ['one behind a good one', ['1\n123456789'], undefined],
  ])('are bounded: %s', (_name, chunks, expected) => {
    const splitter = new LineSplitter(8);
    const read = chunks.map((chunk) => splitter.push(Buffer.from(chunk)));
    expect(read.at(-1)).toEqual(expected);
  });
});

describe('an event', () => {
  const metadata = { name: 'a', namespace: 'n', resourceVersion: '7' };

  it.each([
    [
      { type: 'ADDED', object: { metadata } },
      { type: 'put', key: 'n/a', version: '7' },
    ],
    [{ type: 'MODIFIED', object: { metadata } }, { type: 'put' }],
    [{ type: 'DELETED', object: { metadata } }, { type: 'gone' }],
    [
      { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } },
      { type: 'bookmark', version: '9' },
    ],
    [
      { type: 'ERROR', object: { code: 410, message: 'old' } },
      { type: 'error', status: 410, message: 'old' },
    ],
    [
      { type: 'ERROR', object: { code: 'x' } },
      { type: 'error', status: 0 },
    ],
    [{ type: 'ADDED', object: { metadata: { name: 'a' } } }, { type: 'unknown' }],
    [{ type: 'ADDED', object: { metadata: null } }, { type: 'unknown' }],
    [{ type: 'constructor', object: { metadata } }, { type: 'unknown' }],
    [{ type: 'ADDED', object: [] }, { type: 'broken' }],
    [{ type: 'ADDED' }, { type: 'broken' }],
    [null, { type: 'broken' }],
  ])('%j is %j', (event, expected) => {
    expect(readWatchEvent(JSON.stringify(event))).toMatchObject(expected);
  });
});

describe('a store of objects', () => {
  const object = (name: string, resourceVersion: string) => ({ metadata: { name, resourceVersion } });

  it('tells of a new list only what it changes, whatever was there', () => {
    const names = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('1', '2'));
    fc.assert(
      fc.property(names, names, (before, after) => {
        const store = new ResourceStore();
        const listOf = (versions: Record<string, string>) =>
          Object.entries(versions).map(([name, version]) => object(name, version));
        store.replace(listOf(before));
        const told = new Map<string, string | undefined>(Object.entries(before));
        for (const change of store.replace(listOf(after))) {
          if (change.type === 'synced') continue;
          // Nothing is told that was so already.
          expect(told.get(change.key)).not.toBe(after[change.key]);
          if (change.type === 'gone') told.delete(change.key);
          else told.set(change.key, after[change.key]);
        }
        expect(told).toEqual(new Map(Object.entries(after)));
        expect(store.list()).toHaveLength(told.size);
      }),
    );
  });

  it('says nothing of what was gone before', () => {
    const store = new ResourceStore();
    const gone = { type: 'gone', key: 'a', version: '3', object: object('a', '3') } as const;
    expect(store.take(gone)).toBeUndefined();
    store.replace([object('a', '2')]);
    expect(store.take(gone)).toMatchObject({ type: 'gone', previous: object('a', '2') });
    expect(store.take(gone)).toBeUndefined();
  });
});

describe('Retry-After', () => {
  const nowMs = Date.parse('2026-01-01T00:00:00Z');

  it.each([
    ['3', 3000],
    ['Thu, 01 Jan 2026 00:00:05 GMT', 5000],
    ['Thu, 01 Jan 2025 00:00:05 GMT', 0],
    ['', undefined],
    ['soon', undefined],
    ['-1x', undefined],
    [undefined, undefined],
  ])('of %j is %j ms', (header, waitMs) => {
    expect(parseRetryAfter(header, nowMs)).toBe(waitMs);
  });
});
