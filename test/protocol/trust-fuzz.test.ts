/** Everything that reads what strangers send, under seeded mutation: no exception, no reason that is not in the list, no forgery. */
import { describe, expect, it } from 'vitest';
import {
  announcementDropReasons,
  peekAnnouncement,
  verifyAnnouncement,
} from '../../protocol/announcements.ts';
import { verifyLeaf } from '../../protocol/certificates.ts';
import { signMessage } from '../../protocol/cms-signing.ts';
import { encodeDocument } from '../../protocol/documents.ts';
import { certificateDropReasons, parseTrust, trustProblems } from '../../protocol/trust.ts';
import { mintCa, mintLeaf, serverUri, trusting } from '../support/chains.ts';
import { mutateDer } from '../support/der-mutation.ts';
import { fuzzRounds, fuzzTimeoutMs, mutate, seededRandom } from '../support/mutation.ts';

const seed = 20_261_125;
const rounds = fuzzRounds(2500);
const nowMs = Date.now();
const ca = mintCa();
const stranger = mintCa({ cn: 'Stranger CA' });
const trust = trusting(ca);
const pi = mintLeaf(ca);
const other = mintLeaf(stranger, { cn: 'nuc', uris: ['hcsp:gc3YWhxMRQGVbboYIEgxwA'] });
const address = { ip: '192.168.1.9', port: 17_320 };
const document = encodeDocument({
  kind: 'subscribe',
  to: 'ab:*',
  from: { id: serverUri, address },
  features: ['hcsp'],
  connected: 0,
  max: 5,
  also: [],
});
const sign = (leaf: typeof pi) =>
  Buffer.from(signMessage(Buffer.from(document), { certificateDer: leaf.der, privateKey: leaf.key }, nowMs));
const message = sign(pi);
const foreign = sign(other);
const good = verifyAnnouncement(message, trust, nowMs);

/** What happened in all rounds; every third one keeps its lengths right. */
function count(judge: (random: () => number, isDer: boolean) => string): ReadonlyMap<string, number> {
  const random = seededRandom(seed);
  const counts = new Map<string, number>();
  for (let round = 0; round < rounds; round += 1) {
    const outcome = judge(random, round % 3 !== 0);
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  return counts;
}

function expectKnown(counts: ReadonlyMap<string, number>, known: readonly string[]): void {
  expect([...counts.keys()].filter((outcome) => outcome !== 'ok' && !known.includes(outcome))).toEqual([]);
}

describe('under mutation', { timeout: fuzzTimeoutMs }, () => {
  it('a message is dropped for a known reason, or says what was signed', () => {
    let slowestMs = 0;
    const counts = count((random, isDer) => {
      const broken = isDer ? mutateDer(message, [foreign], random) : mutate(message, [foreign], random);
      const startMs = performance.now();
      const verdict = verifyAnnouncement(broken, trust, nowMs);
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
      if (!verdict.ok) return verdict.reason;
      expect(verdict).toMatchObject({ value: { subscribe: good.ok && good.value.subscribe } });
      expect(peekAnnouncement(broken)).toMatchObject({ ok: true });
      return 'ok';
    });
    expectKnown(counts, announcementDropReasons);
    // Mutation must reach what is behind the first reader, else it proves nothing.
    expect(counts.size).toBeGreaterThan(9);
    expect(slowestMs).toBeLessThan(2000);
  });

  it('a certificate is dropped for a known reason, or says what was signed', () => {
    const leaf = verifyLeaf([pi.der], trust, nowMs);
    const counts = count((random, isDer) => {
      const broken = isDer
        ? mutateDer(pi.der, [other.der, ca.der], random)
        : mutate(pi.der, [ca.der], random);
      const verdict = verifyLeaf([broken], trust, nowMs);
      if (!verdict.ok) return verdict.reason;
      const { name, id, spkiSha256, role } = verdict.value;
      expect(leaf).toMatchObject({ value: { name, id, spkiSha256, role } });
      return 'ok';
    });
    expectKnown(counts, certificateDropReasons);
    expect(counts.size).toBeGreaterThan(7);
  });

  it('a trust set is refused for a known reason, or holds no key that it did not hold', () => {
    const pem = Buffer.from(`# home\n${ca.pem}${stranger.pem}`);
    const deny = Buffer.from(`${serverUri}\n${'ab'.repeat(32)} # stolen\n`);
    const known = new Set(
      [ca, stranger].map(({ certificate }) => Buffer.from(certificate.subject).toString('hex')),
    );
    const counts = count((random, isDer) => {
      const anchorsPem = (isDer ? pem : mutate(pem, [deny], random)).toString('latin1');
      const denyText = mutate(deny, [pem], random).toString('latin1');
      const parsed = parseTrust({ anchorsPem, denyText: isDer ? denyText : '' });
      if (!parsed.ok) return parsed.reason;
      for (const { name } of parsed.value.anchors) expect(known).toContain(Buffer.from(name).toString('hex'));
      return 'ok';
    });
    expectKnown(counts, trustProblems);
    expect(counts.size).toBeGreaterThan(4);
  });
});
