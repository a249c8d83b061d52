import { describe, expect, it } from 'vitest';
import { anchorOfPin, parsePin } from '../../../agent/control/operator-pin.ts';
import { mintHome } from '../../support/certificates.ts';

describe('a pinned CA', () => {
  it.each([
    [`sha256:${'A1'.repeat(32)}`, 'a1'.repeat(32)],
    [`sha256:${'a'.repeat(63)}`, undefined],
    [`SHA256:${'a'.repeat(64)}`, 'a'.repeat(64)],
    ['ca.crt', undefined],
  ])('is read out of %s', (text, pin) => {
    expect(parsePin(text)).toBe(pin);
  });

  it('is the certificate with that key, and no other one, no leaf and nothing', async () => {
    const [home, other] = [await mintHome(), await mintHome()];
    const [anchor] = home.trust.anchors;
    const leaf = await home.server('nuc');
    const pin = anchor?.spkiSha256 ?? '';
    expect(anchorOfPin(anchor?.der, pin)?.sha256).toBe(anchor?.sha256);
    expect(anchorOfPin(other.trust.anchors[0]?.der, pin)).toBeUndefined();
    expect(anchorOfPin(leaf.certificateDer, leaf.leaf.spkiSha256)).toBeUndefined();
    expect(anchorOfPin(undefined, pin)).toBeUndefined();
    expect(anchorOfPin(new Uint8Array(100), pin)).toBeUndefined();
  });
});
