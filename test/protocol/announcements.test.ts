import { describe, expect, it } from 'vitest';
import { signAnnouncement, verifyAnnouncement, peekAnnouncement } from '../../protocol/announcements.ts';
import type { Subscribe } from '../../protocol/documents.ts';
import { isServerId } from '../../protocol/identifiers.ts';
import type { Identity } from '../../agent/tls.ts';
import { mintHome } from '../support/certificates.ts';

const nowMs = Date.now();

function subscribeOf({ leaf }: Identity): Subscribe {
  if (!isServerId(leaf.id)) throw new Error('no server');
  return {
    kind: 'subscribe',
    to: 'ab:*',
    from: { id: leaf.id, address: { ip: '192.168.1.9', port: 17320 } },
    features: ['hcsp', 'webs', 'db'],
    connected: 0,
    max: 5,
    order: { boot: nowMs, seq: 12 },
    also: [{ ip: 'fd00::9', port: 17320 }],
  };
}

describe('an announcement', () => {
  it('is read back as it was signed', async () => {
    const home = await mintHome();
    const pi = await home.server('pi');
    const message = signAnnouncement(subscribeOf(pi), pi, nowMs);
    expect(message.length).toBeLessThan(1200);
    const verified = verifyAnnouncement(message, home.trust, nowMs);
    expect(verified).toMatchObject({ ok: true, value: { subscribe: subscribeOf(pi), leaf: { name: 'pi' } } });
    expect(peekAnnouncement(message)).toMatchObject({
      ok: true,
      value: { leafSpkiSha256: pi.leaf.spkiSha256 },
    });
  });
});
