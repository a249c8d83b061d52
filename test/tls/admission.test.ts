import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Admission,
  handshakeSource,
  maxHandshakes,
  maxHandshakesPerSource,
  maxWaiting,
} from '../../tls/admission.ts';

describe('Admission', () => {
  it('starts 32 handshakes of a source, and the next when one has ended', () => {
    const admission = new Admission<string>();
    const started = offerMany(admission, 'a', 40);
    expect(started).toHaveLength(maxHandshakesPerSource);
    expect(admission.waiting).toBe(8);
    expect(admission.finish('a')).toEqual(['a32']);
  });

  it('starts 256 in all, and then gives each source its turn', () => {
    const admission = new Admission<string>();
    for (let source = 0; source < 8; source += 1) offerMany(admission, `s${source}-`, 100);
    expect(admission.open).toBe(maxHandshakes);
    expect(offerMany(admission, 'late', 2)).toEqual([]);
    const round = Array.from({ length: 9 }, (_, turn) => admission.finish(`s${turn % 8}-`)).flat();
    expect(round).toHaveLength(9);
    expect(round.filter((connection) => connection.startsWith('late'))).toEqual(['late0']);
  });

  it('lets the source with the most waiting connections lose its newest when too many wait', () => {
    const admission = new Admission<string>();
    offerMany(admission, 'flood', maxHandshakesPerSource + maxWaiting - 40);
    offerMany(admission, 'calm', maxHandshakesPerSource + 40);
    expect(admission.waiting).toBe(maxWaiting);
    const { start, refuse } = admission.offer('calm', 'calm-last');
    expect(start).toEqual([]);
    expect(refuse).toBe(`flood${maxHandshakesPerSource + maxWaiting - 40 - 1}`);
    expect(admission.waiting).toBe(maxWaiting);
  });

  it('keeps its bounds and loses no connection, whatever comes and ends', () => {
    const action = fc.record({ finish: fc.boolean(), source: fc.constantFrom('a', 'b', 'c', 'd') });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 400, size: 'max' }), (actions) => {
        const admission = new Admission<number>();
        const open = new Map<string, number>();
        const sources: string[] = [];
        const started = new Set<number>();
        const note = (ids: readonly number[]) => {
          for (const id of ids) {
            started.add(id);
            const name = sources[id] ?? '';
            open.set(name, (open.get(name) ?? 0) + 1);
          }
        };
        for (const { finish, source } of actions) {
          if (!finish) note(admission.offer(source, sources.push(source) - 1).start);
          else if ((open.get(source) ?? 0) > 0) {
            open.set(source, (open.get(source) ?? 0) - 1);
            note(admission.finish(source));
          }
          const total = [...open.values()].reduce((sum, count) => sum + count, 0);
          expect(admission.open).toBe(total);
          expect(Math.max(0, ...open.values())).toBeLessThanOrEqual(maxHandshakesPerSource);
          expect(started.size + admission.waiting).toBe(sources.length);
        }
        for (const id of admission.clear()) started.add(id);
        expect(started.size).toBe(sources.length);
        expect(admission.waiting).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});

describe('handshakeSource', () => {
  it.each([
    ['192.168.1.9', '192.168.1.9', true],
    ['192.168.1.9', '192.168.1.10', false],
    ['::ffff:192.168.1.9', '192.168.1.9', true],
    ['fd00::1', 'fd00::ffff:2', true],
    ['fd00::1', 'fd00:0:0:1::1', false],
    ['fe80::1%eth0', 'fe80::2', true],
  ])('takes %s and %s for the same source: %s', (a, b, isSame) => {
    expect(handshakeSource(a) === handshakeSource(b)).toBe(isSame);
  });
});

function offerMany(admission: Admission<string>, source: string, count: number): string[] {
  return Array.from(
    { length: count },
    (_, index) => admission.offer(source, `${source}${index}`).start,
  ).flat();
}
