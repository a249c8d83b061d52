/** The kinds of keys and signatures that are taken in certificates. */
import { type KeyObject, createPublicKey, verify } from 'node:crypto';
import type { Certificate } from './certificate-parsing.ts';
import { oids } from './oids.ts';

/** The certificate's key, if it is of a kind and size that is taken. */
export function readStrongKey({ spki }: Pick<Certificate, 'spki'>): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    return isStrongKey(key) ? key : undefined;
  } catch {
    // OpenSSL cannot read it: a point off the curve, an algorithm that it does not know.
    return undefined;
  }
}

/** P-256, P-384, or RSA of 2048 to 4096 bits with an odd exponent of 65537 or more. */
export function isStrongKey(key: KeyObject): boolean {
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec') return namedCurve === 'prime256v1' || namedCurve === 'secp384r1';
  const isSized = modulusLength >= 2048 && modulusLength <= 4096;
  return key.asymmetricKeyType === 'rsa' && isSized && publicExponent >= 65_537n;
}

/** By key type: the hash of each signature algorithm that is taken, SHA-2 only. @see RFC 5754, RFC 5758 */
const signatureHashes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ec: {
    [oids.ecdsaWithSha256]: 'sha256',
    [oids.ecdsaWithSha384]: 'sha384',
    [oids.ecdsaWithSha512]: 'sha512',
  },
  rsa: {
    [oids.sha256WithRsa]: 'sha256',
    [oids.sha384WithRsa]: 'sha384',
    [oids.sha512WithRsa]: 'sha512',
  },
};

/** Whether a key of any type could have made a signature of this algorithm that is taken. */
export function isStrongAlgorithm(algorithm: string): boolean {
  return Object.values(signatureHashes).some((hashes) => algorithm in hashes);
}

/** Whether this key signed the certificate, with an algorithm that is taken. */
export function isSignedBy({ signedBytes, signature }: Certificate, key: KeyObject): boolean {
  const algorithm = signatureHashes[key.asymmetricKeyType ?? '']?.[signature.algorithm];
  if (algorithm === undefined) return false;
  return verify(algorithm, signedBytes, key, signature.bytes);
}

/** SubjectPublicKeyInfo of a public or private key. */
export function spkiOf(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ type: 'spki', format: 'der' });
}
