import { beforeEach, describe, expect, it } from 'vitest';
import { CertificateExpiry } from '../../../agent/control/certificate-expiry.ts';
import type { Untimed } from '../../../agent/events.ts';
import type { Identity } from '../../../tls/identity.ts';
import { mintHome } from '../../support/certificates.ts';

const dayMs = 86_400_000;
const issuedMs = Date.UTC(2026, 0, 1);

let events: Untimed[];
let door: Identity;
let expiry: CertificateExpiry;

beforeEach(async () => {
  const home = await mintHome({ nowMs: issuedMs });
  door = await home.client('default/door', { days: 90, nowMs: issuedMs });
  events = [];
  expiry = new CertificateExpiry((event) => events.push(event));
});

describe('a certificate', () => {
  it('is warned of from a third of its life before its end on, once a day', () => {
    expiry.set([door], issuedMs + 59 * dayMs);
    expect(events).toEqual([]);
    expect(expiry.status(issuedMs + 59 * dayMs)).toMatchObject([
      { name: 'default/door', isRunningOut: false },
    ]);
    for (let hour = 0; hour < 48; hour += 1) expiry.check(issuedMs + 61 * dayMs + (hour * dayMs) / 24);
    expect(events.map((event) => ('message' in event ? event.message : ''))).toEqual([
      expect.stringMatching(/^the certificate of default\/door runs out in (28|29) days: /),
      expect.stringMatching(/^the certificate of default\/door runs out in (27|28) days: /),
    ]);
    expect(expiry.status(issuedMs + 61 * dayMs)).toMatchObject([{ isRunningOut: true }]);
  });

  it('that ran out is warned of too', () => {
    expiry.set([door], issuedMs + 100 * dayMs);
    expect(events).toMatchObject([{ event: 'warning', reason: 'CertificateExpiry' }]);
    expect(JSON.stringify(events)).toMatch(/ran out (9|10) days ago/);
  });

  it('is told once that day, however often files are read anew, and not when it was renewed', async () => {
    const nowMs = issuedMs + 80 * dayMs;
    expiry.set([door], nowMs);
    expiry.set([door], nowMs + 1000);
    expect(events).toHaveLength(1);
    const home = await mintHome({ nowMs });
    expiry.set([await home.client('default/door', { days: 90, nowMs })], nowMs + 2000);
    expiry.check(nowMs + 2 * dayMs);
    expect(events).toHaveLength(1);
  });
});
