import { beforeAll, describe, expect, it } from 'vitest';
import { trustBundle } from '../../../crds/trust-bundle.ts';
import { isUnreadable, readTrustBundle } from '../../../operator/reconcile/bundle-reading.ts';
import { trustBundleReasons } from '../../../operator/reconcile/trust-reasons.ts';
import { decideTrust, retainMs, type TrustInput } from '../../../operator/reconcile/trust.ts';
import { parseAnchors, type Anchor } from '../../../protocol/anchors.ts';
import { createAuthority, type KeyedCertificate } from '../../../protocol/issuing.ts';
import { parseTrust } from '../../../protocol/trust.ts';
import { noonMs } from '../../support/cluster-world.ts';

let [own, second, third]: KeyedCertificate[] = [];
const anchorOf = (authority: KeyedCertificate | undefined): Anchor => {
  const anchors = parseAnchors(authority?.certificatePem ?? '');
  const anchor = anchors.ok ? anchors.value[0] : undefined;
  if (anchor === undefined) throw new Error('no anchor');
  return anchor;
};

beforeAll(async () => {
  [own, second, third] = await Promise.all([1, 2, 3].map(() => createAuthority({ nowMs: noonMs })));
});

const bundle = (name: string, spec: object, status?: object) =>
  trustBundle.parse({
    apiVersion: 'homing.dev/v1alpha1',
    kind: 'TrustBundle',
    metadata: { name, generation: 2 },
    spec,
    ...(status === undefined ? {} : { status }),
  });

function decide(parts: Partial<TrustInput> = {}) {
  return decideTrust({
    nowMs: noonMs,
    bundles: [],
    read: () => undefined,
    issuing: anchorOf(own),
    previous: [],
    retained: new Map(),
    uses: new Map(),
    deniedKeys: [],
    synced: '3/3',
    ...parts,
  });
}

const hashes = (anchors: readonly Anchor[]) => anchors.map(({ sha256 }) => sha256);
const inline = (authority: KeyedCertificate | undefined) => ({
  sources: [{ inline: authority?.certificatePem }],
});
const readyOf = (decision: ReturnType<typeof decide>, name: string) =>
  decision.statuses.get(name)?.conditions?.find(({ type }) => type === 'Ready');

describe('the trust set', () => {
  it('is the union of the issuing CA and all bundles, whatever they read from, and agents can read its texts', () => {
    const texts: Record<string, string | undefined> = { 'configMap ca ca.crt': third?.certificatePem };
    const decision = decide({
      bundles: [
        bundle('a', inline(second)),
        bundle('b', { sources: [{ configMap: { name: 'ca' } }], deny: [{ sha256: 'a'.repeat(64) }] }),
        bundle('c', { deny: [{ identifier: `ab:${'B'.repeat(22)}` }] }),
      ],
      read: (kind, name, key) => texts[`${kind} ${name} ${key}`],
      deniedKeys: ['c'.repeat(64)],
    });
    expect(hashes(decision.anchors)).toEqual([own, second, third].map((each) => anchorOf(each).sha256));
    const read = parseTrust(decision);
    expect(read.ok && hashes(read.value.anchors)).toEqual(hashes(decision.anchors));
    expect(decision.denyText).toBe(`${'a'.repeat(64)}\nab:${'B'.repeat(22)}\n${'c'.repeat(64)}\n`);
    expect(['a', 'b', 'c'].map((name) => readyOf(decision, name)?.reason)).toEqual([
      'Trusted',
      'Trusted',
      'Trusted',
    ]);
    expect(decision.statuses.get('a')).toMatchObject({
      anchorCount: 1,
      synced: '3/3',
      observedGeneration: 2,
    });
  });

  it.each([
    ['SourceNotFound', { sources: [{ secret: { name: 'gone' } }] }, 'secret gone, key ca.crt: is not there'],
    ['PrivateKey', { sources: [{ configMap: { name: 'key' } }] }, 'treat that key as leaked'],
    ['SourceInvalid', { sources: [{ configMap: { name: 'junk' } }] }, 'configMap junk'],
    ['TooLarge', { sources: [{ configMap: { name: 'big' } }] }, 'has 10485760 characters'],
  ] as const)(
    'is frozen by a bundle that is wrong (%s), but what is denied is denied',
    (reason, spec, message) => {
      const texts: Record<string, string> = {
        key: `${own?.certificatePem}${own?.keyPem}`,
        junk: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
        big: 'x'.repeat(10 * 1024 * 1024),
      };
      const decision = decide({
        bundles: [
          bundle('wrong', spec),
          bundle('good', { ...inline(third), deny: [{ sha256: 'd'.repeat(64) }] }),
        ],
        read: (_, name) => texts[name],
        previous: [anchorOf(own), anchorOf(second)],
      });
      expect(hashes(decision.anchors)).toEqual([anchorOf(own).sha256, anchorOf(second).sha256]);
      expect(decision.denyText).toContain('d'.repeat(64));
      expect(readyOf(decision, 'wrong')).toMatchObject({ status: 'False', reason });
      expect(readyOf(decision, 'wrong')?.message).toContain(message);
      expect(readyOf(decision, 'good')?.reason).toBe('Trusted');
      expect(JSON.stringify([...decision.statuses])).not.toContain('PRIVATE KEY-----');
    },
  );

  it('has what all good sources say where nothing was before', () => {
    const decision = decide({
      bundles: [bundle('wrong', { sources: [{ secret: { name: 'x' } }] }), bundle('b', inline(second))],
    });
    expect(hashes(decision.anchors)).toEqual([anchorOf(own).sha256, anchorOf(second).sha256]);
  });

  it('keeps a certificate that nobody names any more while something uses it, for thirty days at most', () => {
    const old = anchorOf(second).sha256;
    const status = { anchors: [{ sha256: old, subject: 'CN=old', uses: 3 }] };
    const parts = {
      bundles: [bundle('a', inline(third), status)],
      previous: [anchorOf(own), anchorOf(second), anchorOf(third)],
      uses: new Map([[old, 3]]),
    };
    const first = decide(parts);
    expect(hashes(first.anchors)).toContain(old);
    expect(first.retained.get(old)).toBe(noonMs + retainMs);
    expect(readyOf(first, 'a')?.reason).toBe('Retained');
    const entry = first.statuses.get('a')?.anchors?.find(({ sha256 }) => sha256 === old);
    expect(entry).toMatchObject({ uses: 3, safeToRemove: false, retainedUntil: '2026-07-31T12:00:00.000Z' });
    const later = { ...parts, retained: first.retained };
    expect(hashes(decide({ ...later, uses: new Map() }).anchors)).not.toContain(old);
    expect(hashes(decide({ ...later, nowMs: noonMs + retainMs }).anchors)).not.toContain(old);
    expect(decide({ ...later, nowMs: noonMs + 1000 }).retained.get(old)).toBe(noonMs + retainMs);
  });

  it('says what is safe to remove: what nothing uses, and never the CA that issues', () => {
    const decision = decide({
      bundles: [
        bundle('a', {
          sources: [{ inline: `${own?.certificatePem}${second?.certificatePem}${third?.certificatePem}` }],
        }),
      ],
      uses: new Map([[anchorOf(second).sha256, 2]]),
    });
    const safe = new Map(
      decision.statuses.get('a')?.anchors?.map((anchor) => [anchor.sha256, anchor.safeToRemove]),
    );
    expect([own, second, third].map((each) => safe.get(anchorOf(each).sha256))).toEqual([false, false, true]);
  });

  it('leaves out a certificate whose key is denied, though another bundle names it', () => {
    const { spkiSha256 } = anchorOf(second);
    const decision = decide({
      bundles: [bundle('a', inline(second)), bundle('b', { deny: [{ sha256: spkiSha256 }] })],
    });
    expect(hashes(decision.anchors)).toEqual([anchorOf(own).sha256]);
    expect(readyOf(decision, 'a')?.reason).toBe('AnchorDenied');
    expect(readyOf(decision, 'b')?.reason).toBe('Trusted');
  });

  it('is frozen by a bundle that this version cannot read, which still denies what can be read of it', () => {
    const raw = {
      apiVersion: 'homing.dev/v1alpha1',
      kind: 'TrustBundle',
      metadata: { name: 'newer', generation: 7 },
      spec: { sources: [{ vault: {} }], deny: [{ sha256: 'e'.repeat(64) }, { key: 'x' }, 7] },
    };
    const newer = readTrustBundle(raw);
    if (!isUnreadable(newer)) throw new Error('it was read');
    const decision = decide({ unreadable: [newer], previous: [anchorOf(own), anchorOf(second)] });
    expect(hashes(decision.anchors)).toEqual([anchorOf(own).sha256, anchorOf(second).sha256]);
    expect(decision.denyText).toBe(`${'e'.repeat(64)}\n`);
    expect(readyOf(decision, 'newer')).toMatchObject({
      status: 'False',
      reason: 'Invalid',
      observedGeneration: 7,
    });
    expect(readyOf(decision, 'newer')?.message).toContain('sources');
  });

  it('reads a bundle whose status another version wrote', () => {
    const raw = { ...bundle('a', inline(second)), status: { anchorCount: 'many' } };
    expect(isUnreadable(readTrustBundle(raw))).toBe(false);
  });

  it('never has more certificates than agents read: the bundle that goes beyond is told so', async () => {
    const made = await Promise.all(Array.from({ length: 64 }, () => createAuthority({ nowMs: noonMs })));
    const many = made.map(({ certificatePem }) => certificatePem).join('');
    const decision = decide({
      bundles: [bundle('few', inline(second)), bundle('many', { sources: [{ inline: many }] })],
    });
    expect(hashes(decision.anchors)).toEqual([anchorOf(own).sha256, anchorOf(second).sha256]);
    expect([readyOf(decision, 'few')?.reason, readyOf(decision, 'many')?.reason]).toEqual([
      'Trusted',
      'TooLarge',
    ]);
    expect(parseTrust(decision).ok).toBe(true);
  });

  it('says of every good bundle what is wrong with the CA’s Secret, and trusts as before', () => {
    const authorityProblem = { reason: 'CAMissing', message: 'The Secret homing-ca is gone.' } as const;
    const decision = decide({
      bundles: [bundle('a', inline(second)), bundle('b', { sources: [{ secret: { name: 'x' } }] })],
      authorityProblem,
    });
    expect(readyOf(decision, 'a')).toMatchObject({ status: 'False', ...authorityProblem });
    expect(readyOf(decision, 'b')?.reason).toBe('SourceNotFound');
    expect(hashes(decision.anchors)).toContain(anchorOf(own).sha256);
  });

  it('denies what people wrote first where it is more than agents read', () => {
    const deniedKeys = Array.from({ length: 10_000 }, (_, index) => index.toString(16).padStart(64, '0'));
    const decision = decide({ bundles: [bundle('a', { deny: [{ sha256: 'f'.repeat(64) }] })], deniedKeys });
    expect(decision.denyText).toContain('f'.repeat(64));
    expect(parseTrust(decision).ok).toBe(true);
  });

  it('has a reason in its table for each that it gives', () => {
    const all = Object.keys(trustBundleReasons.Ready);
    expect(all).toEqual(expect.arrayContaining(['Trusted', 'Retained', 'SourceNotFound', 'AnchorDenied']));
  });
});
