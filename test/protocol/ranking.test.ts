import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Preferences,
  type RankedServer,
  compareBoots,
  compareServers,
  explainRank,
  levelOf,
  noPreferences,
  rankServers,
} from '../../protocol/ranking.ts';
import type { ServerId } from '../../protocol/identifiers.ts';

const a: ServerId = 'hcsp:AAAAAAAAAAAAAAAAAAAAAA';
const b: ServerId = 'hcsp:BBBBBBBBBBBBBBBBBBBBBB';
const slash: ServerId = 'hcsp://AAAAAAAAAAAAAAAAAAAA';

function server(id: ServerId, features: string, max = 5, boot = 1): RankedServer {
  return { id, features: features === '' ? [] : features.split(','), max, boot };
}

function first(servers: readonly RankedServer[], wishes: Partial<Preferences> = {}): ServerId | undefined {
  return rankServers(servers, { ...noPreferences, ...wishes })[0]?.id;
}

const words = ['record', 'gpu', 'live', 'constructor'];
const servers = fc.record({
  id: fc.constantFrom('A', 'B', 'C', 'D', 'E', '/', '+', 'a').map((c): ServerId => `hcsp:${c.repeat(22)}`),
  features: fc.subarray(words),
  max: fc.integer({ min: 0, max: 3 }),
  boot: fc.integer({ min: 0, max: 3 }),
});
const weights = fc.dictionary(fc.constantFrom(...words), fc.integer({ min: 0, max: 4 }));

describe('ranking', () => {
  it('puts the higher level first', () => {
    expect(first([server(a, 'record', 100), server(b, 'record,gpu', 1)])).toBe(b);
  });

  it('counts each feature as the client weighs it, as 1 otherwise', () => {
    expect(levelOf(['gpu', 'record', 'live'], { gpu: 4, live: 0 })).toBe(5);
    expect(first([server(a, 'gpu'), server(b, 'record,live')], { weights: { gpu: 4 } })).toBe(a);
    expect(levelOf(['constructor'], {})).toBe(1);
  });

  it('puts the larger max first where levels are equal', () => {
    expect(first([server(a, 'record', 5), server(b, 'gpu', 6)])).toBe(b);
  });

  it('puts the identifier that is first in code point order first where all else is equal', () => {
    expect(first([server(b, 'x'), server(a, 'x'), server(slash, 'x')])).toBe(slash);
  });

  it('looks at nothing but the later boot for a client in mode AnyValid', () => {
    const list = [server(a, 'record,gpu', 9, 1), server(b, '', 1, 2)];
    expect(first(list, { mode: 'AnyValid' })).toBe(b);
    expect(first(list)).toBe(a);
  });

  it.each([
    ['compareServers', compareServers],
    ['compareBoots', compareBoots],
  ] as const)('is a strict total order by %s', (_name, compare) => {
    fc.assert(
      fc.property(fc.tuple(servers, servers, servers), weights, ([x, y, z], wanted) => {
        expect(Math.sign(compare(x, y, wanted))).toBe(-Math.sign(compare(y, x, wanted)) + 0);
        expect(compare(x, y, wanted) === 0).toBe(x.id === y.id && compare(y, x, wanted) === 0);
        const isChain = compare(x, y, wanted) < 0 && compare(y, z, wanted) < 0;
        expect(!isChain || compare(x, z, wanted) < 0).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('finds the same order whatever order the servers come in', () => {
    fc.assert(
      fc.property(
        fc
          .uniqueArray(servers, { selector: ({ id }) => id, minLength: 2 })
          .chain((list) =>
            fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
          ),
        weights,
        fc.constantFrom('Best' as const, 'AnyValid' as const),
        ([list, shuffled], wanted, mode) => {
          const wishes = { weights: wanted, mode };
          expect(rankServers(shuffled, wishes)).toEqual(rankServers(list, wishes));
        },
      ),
    );
  });

  it.each([
    [server(a, 'gpu,live'), server(b, 'live'), {}, 'level 2 (gpu+live) against 1 (live)'],
    [server(a, 'gpu'), server(b, ''), { weights: { gpu: 4 } }, 'level 4 (gpu×4) against 0 (no features)'],
    [server(a, 'gpu', 9), server(b, 'live', 5), {}, 'same level 1, max 9 against 5'],
    [server(a, 'gpu'), server(b, 'live'), {}, 'same level and max, identifier first in order'],
    [server(a, '', 1, 2), server(b, 'live'), { mode: 'AnyValid' as const }, 'started later (mode AnyValid)'],
  ])('says why one stands before the other', (better, worse, wishes, why) => {
    expect(explainRank(better, worse, { ...noPreferences, ...wishes })).toBe(why);
  });
});
