import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignmentsOf } from '../../../operator/issue/assignments.ts';
import {
  deniedKeysOf,
  formatLedger,
  parseLedger,
  usesOf,
  withEntry,
  type LedgerEntry,
} from '../../../operator/issue/ledger.ts';
import { surveyWorld } from '../../../operator/reconcile/survey.ts';
import { cameraNamed, serverNamed, worldOf, type WorldParts } from '../../support/cluster-world.ts';

const entry = (fields: Partial<LedgerEntry> = {}): LedgerEntry => ({
  spki: 'AAAA',
  spkiSha256: 'a'.repeat(64),
  id: `hcsp:${'A'.repeat(22)}`,
  name: 'nuc',
  holder: 'nuc',
  notAfterMs: 2000,
  anchor: 'f'.repeat(64),
  ...fields,
});
const ledgerOf = (...entries: readonly LedgerEntry[]) =>
  entries.reduce((ledger, each) => withEntry(ledger, each, 0), parseLedger(''));

describe('the ledger', () => {
  it('reads what it wrote, the same text for the same entries, and passes over what it cannot read', () => {
    const ledger = ledgerOf(entry(), entry({ name: 'cams/door', id: `ab:${'B'.repeat(22)}` }));
    const text = formatLedger(ledger);
    expect(formatLedger(parseLedger(text))).toBe(text);
    expect(parseLedger(`junk\n{}\n${text}`)).toEqual(ledger);
  });

  it('forgets what has expired, and has one entry for each key, name and CA', () => {
    const ledger = withEntry(
      ledgerOf(entry({ notAfterMs: 10 }), entry({ name: 'pi' })),
      entry({ name: 'pi', notAfterMs: 9000 }),
      50,
    );
    expect([...ledger.values()].map(({ name, notAfterMs }) => [name, notAfterMs])).toEqual([['pi', 9000]]);
  });

  it('denies keys that nothing is assigned to any more, until they expire', () => {
    const ledger = ledgerOf(entry(), entry({ spkiSha256: 'b'.repeat(64), name: 'pi' }));
    const isAssigned = ({ name }: LedgerEntry) => name === 'nuc';
    expect(deniedKeysOf(ledger, isAssigned, 1000)).toEqual(['b'.repeat(64)]);
    expect(deniedKeysOf(ledger, isAssigned, 2000)).toEqual([]);
  });

  it('denies no key that is good for another name', () => {
    const ledger = ledgerOf(entry(), entry({ name: 'cams/door' }));
    expect(deniedKeysOf(ledger, ({ name }) => name === 'nuc', 0)).toEqual([]);
  });

  it('denies the key that a holder had before, and nobody else’s for that name', () => {
    const camera = { name: 'cams/door', id: `ab:${'B'.repeat(22)}` };
    const ledger = ledgerOf(
      entry({ ...camera, holder: 'nuc', spkiSha256: '1'.repeat(64) }),
      entry({ ...camera, holder: 'pi', spkiSha256: '2'.repeat(64) }),
      entry({ ...camera, holder: 'nuc', spkiSha256: '3'.repeat(64) }),
    );
    expect(deniedKeysOf(ledger, () => true, 0)).toEqual(['1'.repeat(64)]);
    expect([...usesOf(ledger, () => true, 0).values()]).toEqual([2]);
    expect(deniedKeysOf(parseLedger(formatLedger(ledger)), () => true, 0)).toEqual(['1'.repeat(64)]);
    const back = withEntry(ledger, entry({ ...camera, holder: 'nuc', spkiSha256: '1'.repeat(64) }), 0);
    expect(deniedKeysOf(back, () => true, 0)).toEqual(['3'.repeat(64)]);
  });

  it('denies exactly keys of which nothing is good, whatever was issued in whatever order', () => {
    const entries = fc.array(
      fc.record({
        spkiSha256: fc.constantFrom('1', '2', '3', '4').map((digit) => digit.repeat(64)),
        name: fc.constantFrom('nuc', 'pi', 'cams/door'),
        holder: fc.constantFrom('nuc', 'pi'),
        notAfterMs: fc.integer({ min: 1, max: 100 }),
        anchor: fc.constantFrom('e', 'f').map((digit) => digit.repeat(64)),
      }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(
        entries,
        fc.constantFrom('nuc', 'pi', 'cams/door'),
        fc.integer({ min: 0, max: 100 }),
        (list, gone, nowMs) => {
          const ledger = ledgerOf(...list.map((fields) => entry(fields)));
          const isAssigned = ({ name }: LedgerEntry) => name !== gone;
          const denied = deniedKeysOf(ledger, isAssigned, nowMs);
          const living = [...ledger.values()].filter(({ notAfterMs }) => notAfterMs > nowMs);
          const good = living.filter((each) => each.isSuperseded !== true && isAssigned(each));
          const goodKeys = new Set(good.map(({ spkiSha256 }) => spkiSha256));
          const all = new Set(living.map(({ spkiSha256 }) => spkiSha256));
          expect(denied).toEqual([...all].filter((key) => !goodKeys.has(key)).toSorted());
          // Of one name a holder has one key that is good.
          const held = new Map<string, Set<string>>();
          for (const { name, holder, spkiSha256 } of good) {
            const keys = held.get(`${name} ${holder}`) ?? new Set();
            held.set(`${name} ${holder}`, keys.add(spkiSha256));
          }
          expect([...held.values()].filter(({ size }) => size > 1)).toEqual([]);
          expect(parseLedger(formatLedger(ledger))).toEqual(
            new Map([...ledger].toSorted(([a], [b]) => (a < b ? -1 : 1))),
          );
        },
      ),
    );
  });

  it('counts what is in use by the CA that signed it', () => {
    const ledger = ledgerOf(entry(), entry({ name: 'pi' }), entry({ name: 'gone', anchor: 'e'.repeat(64) }));
    expect([...usesOf(ledger, ({ name }) => name !== 'gone', 0)]).toEqual([['f'.repeat(64), 2]]);
  });
});

describe('who may hold a certificate', () => {
  const identifier = 'A'.repeat(22);
  const key = 'a'.repeat(64);
  const may = (world: WorldParts, held: Partial<LedgerEntry>) =>
    assignmentsOf(surveyWorld(worldOf(world), new Map()))(entry(held));
  const nuc = serverNamed('nuc', { identifier });
  const door = cameraNamed('door', { identifier, bridge: { servers: ['nuc', 'pi'] } });
  const client = { name: 'cams/door', id: `ab:${identifier}` };

  it.each([
    ['a server whose resource is there', { homeServers: [nuc] }, {}, true],
    ['a server whose resource is gone', {}, {}, false],
    [
      'a server that was made anew, with another identifier',
      { homeServers: [serverNamed('nuc', { identifier: 'C'.repeat(22) })] },
      {},
      false,
    ],
    [
      'the key that is pinned',
      { homeServers: [serverNamed('nuc', { identifier, external: { publicKey: `sha256:${key}` } })] },
      {},
      true,
    ],
    [
      'a key that is pinned no more',
      {
        homeServers: [
          serverNamed('nuc', { identifier, external: { publicKey: `sha256:${'b'.repeat(64)}` } }),
        ],
      },
      {},
      false,
    ],
    [
      'a bridge of a camera',
      { homeServers: [nuc, serverNamed('pi')], cameraClients: [door] },
      { ...client, holder: 'pi' },
      true,
    ],
    [
      'who is a bridge no more',
      { homeServers: [nuc, serverNamed('hut')], cameraClients: [door] },
      { ...client, holder: 'hut' },
      false,
    ],
    [
      'a bridge of a camera that cannot be read',
      { homeServers: [nuc], unreadable: new Set(['cams/door']) },
      client,
      true,
    ],
    ['a server that cannot be read', { unreadable: new Set(['nuc']) }, {}, true],
    [
      'who bridged a camera for which nobody is there to be chosen',
      { cameraClients: [cameraNamed('door', { identifier })] },
      { ...client, holder: 'pi' },
      true,
    ],
    ['a bridge of a camera that is gone', { homeServers: [nuc] }, client, false],
    [
      'a native client itself',
      { cameraClients: [cameraNamed('door', { identifier, source: { native: {} } })] },
      { ...client, holder: 'cams/door' },
      true,
    ],
  ] as const)('%s', (_, world, held, expected) => {
    expect(may(world, held)).toBe(expected);
  });

  it('is everybody before anything is known', () => {
    expect(assignmentsOf(undefined)(entry())).toBe(true);
  });
});
