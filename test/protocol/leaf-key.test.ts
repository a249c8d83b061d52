import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isStrongKey, spkiOf } from '../../protocol/certificate-signature.ts';
import { readLeafKey } from '../../protocol/leaf-key.ts';

function newSpki(namedCurve: string): Buffer {
  return spkiOf(generateKeyPairSync('ec', { namedCurve }).publicKey);
}

/** What OpenSSL would say. */
function isTakenByOpenSsl(spki: Buffer): boolean {
  try {
    return isStrongKey(createPublicKey({ key: spki, format: 'der', type: 'spki' }));
  } catch {
    return false;
  }
}

/** The same bytes with one of them changed, each in turn. */
function damaged(spki: Buffer): readonly Buffer[] {
  return [...spki.keys()].map((index) => {
    const copy = Buffer.from(spki);
    copy[index] = (copy[index] ?? 0) ^ (1 << (index % 8));
    return copy;
  });
}

const pointStart = 27;
const ones = Buffer.alloc(64, 0xff);
const p256 = newSpki('P-256');
const prime = Buffer.from('ffffffff00000001000000000000000000000000ffffffffffffffffffffffff', 'hex');

describe('a leaf’s key', () => {
  test.each(['P-256', 'P-384', 'P-521', 'secp256k1'])('on %s is judged as OpenSSL judges it', (curve) => {
    for (let round = 0; round < 20; round += 1) {
      const spki = newSpki(curve);
      expect(readLeafKey(spki) !== undefined).toBe(isTakenByOpenSsl(spki));
    }
  });

  test('with any byte changed is judged as OpenSSL judges it', () => {
    for (const spki of damaged(p256)) {
      expect([spki.toString('hex'), readLeafKey(spki) !== undefined]).toEqual([
        spki.toString('hex'),
        isTakenByOpenSsl(spki),
      ]);
    }
  });

  test.each([
    ['no point but zeros', Buffer.concat([p256.subarray(0, pointStart), Buffer.alloc(64)])],
    ['coordinates beyond the field', Buffer.concat([p256.subarray(0, pointStart), ones])],
    ['an x of the prime itself', Buffer.concat([p256.subarray(0, pointStart), prime, p256.subarray(-32)])],
    ['a byte too few', p256.subarray(0, -1)],
    ['nothing', Buffer.alloc(0)],
  ])('of %s is not taken', (_, spki) => {
    expect(isTakenByOpenSsl(spki)).toBe(false);
    expect(readLeafKey(spki)).toBeUndefined();
  });

  test('is read as the very key', () => {
    expect(
      readLeafKey(p256)?.object.equals(createPublicKey({ key: p256, format: 'der', type: 'spki' })),
    ).toBe(true);
  });
});
