import { describe, expect, it } from 'vitest';
import { peekAnnouncement, signAnnouncement } from '../../protocol/announcements.ts';
import { hashBytes } from '../../protocol/certificate-parsing.ts';
import { glanceAtKey } from '../../protocol/cms-glance.ts';
import { signMessage } from '../../protocol/cms-signing.ts';
import { everyClient, isServerId } from '../../protocol/identifiers.ts';
import { mintHome } from '../support/certificates.ts';
import { fuzzRounds, fuzzTimeoutMs, mutate, seededRandom } from '../support/mutation.ts';

const home = await mintHome();
const [nuc, old] = await Promise.all([home.server('nuc'), home.server('old', { keyKind: 'RSA' })]);

function announcementOf(identity: typeof nuc): Uint8Array {
  const { id } = identity.leaf;
  if (!isServerId(id)) throw new Error(`${id} is no server`);
  const from = { id, address: { ip: '10.0.0.1', port: 17_320 } };
  const says = { features: ['record'], connected: 0, max: 5, also: [] };
  return signAnnouncement({ kind: 'subscribe', to: everyClient, from, ...says }, identity, Date.now());
}

/** The key as the glance sees it; nothing where it sees none. */
function glance(message: Uint8Array): string | undefined {
  const key = glanceAtKey(message);
  return key === undefined ? undefined : hashBytes(key);
}

describe('a glance at a signed message', () => {
  it.each([
    ['P-256', nuc],
    ['RSA', old],
  ])('sees the %s key that reading it finds', (_, identity) => {
    expect(glance(announcementOf(identity))).toBe(identity.leaf.spkiSha256);
  });

  it('sees nothing in what ends too soon, wherever that is', () => {
    const message = announcementOf(nuc);
    const certificateAt = Buffer.from(message).indexOf(nuc.certificateDer);
    const key = glanceAtKey(message);
    const keyEnd = certificateAt + nuc.certificateDer.length;
    expect(key).toBeDefined();
    for (let length = 0; length < certificateAt; length += 1) {
      expect(glanceAtKey(message.subarray(0, length))).toBeUndefined();
    }
    expect(glanceAtKey(message.subarray(0, keyEnd))).toBeUndefined();
  });

  it('sees nothing in a message of another make', () => {
    expect(glanceAtKey(new Uint8Array(0))).toBeUndefined();
    expect(glanceAtKey(Buffer.alloc(1000, 0x30))).toBeUndefined();
    expect(glanceAtKey(Buffer.alloc(1000, 0x82))).toBeUndefined();
  });

  it(
    'agrees with reading it, whatever was broken, wherever that finds one certificate',
    () => {
      const random = seededRandom(17);
      const messages = [announcementOf(nuc), signMessage(Buffer.from('x'), nuc, 0)];
      let read = 0;
      for (let round = 0; round < fuzzRounds(5000); round += 1) {
        const [good = new Uint8Array(0)] = messages.slice(round % 2);
        const message = mutate(good, messages, random);
        const seen = glance(message);
        const peeked = peekAnnouncement(message);
        if (!peeked.ok || peeked.value.message.certificates.length !== 1) continue;
        read += 1;
        expect(seen).toBe(peeked.value.leafSpkiSha256);
      }
      expect(read).toBeGreaterThan(100);
    },
    fuzzTimeoutMs,
  );
});
