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
