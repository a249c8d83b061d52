/** Certificate requests (PKCS #10): a key asks to be certified and proves that it is there. Names in them are never looked at. */
import { type KeyObject, createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { spkiOf } from './certificate-signature.ts';
import { encodePem } from './pem.ts';
import { signRequest } from './request-signing.ts';
import { type Result, bad, good } from './result.ts';

/** What a request proves. */
export interface RequestedKey {
  readonly spki: Uint8Array;
  readonly spkiSha256: string;
  readonly keyKind: 'P-256' | 'P-384' | 'RSA';
}

export type RequestProblem = 'request-unreadable' | 'request-signature' | 'key-unsupported';

const maxRequestCharacters = 8192;

async function loadX509(): Promise<typeof import('@peculiar/x509')> {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

/** A request for a P-256, P-384 or RSA key in PEM. */
export async function createCertificateRequest(keyPem: string): Promise<string> {
  return encodePem('CERTIFICATE REQUEST', signRequest(createPrivateKey(keyPem)));
}

/** Reads a request and verifies that who made it has the key. */
export async function parseCertificateRequest(pem: string): Promise<Result<RequestedKey, RequestProblem>> {
  if (pem.length > maxRequestCharacters)
    return bad('request-unreadable', 'the request is above 8192 characters');
  const x509 = await loadX509();
  try {
    const request = new x509.Pkcs10CertificateRequest(pem);
    const spki = Buffer.from(request.publicKey.rawData);
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    const keyKind = kindOf(key);
    // It is denied by its hash: a key must not have several.
    if (keyKind === undefined || !isWrittenAsUsual(key, keyKind, spki))
      return bad('key-unsupported', 'the key must be P-256, P-384 or RSA of 2048 to 4096 bits');
    if (!(await request.verify())) return bad('request-signature', 'the request is not signed by its key');
    return good({ spki, spkiSha256: createHash('sha256').update(spki).digest('hex'), keyKind });
  } catch {
    return bad('request-unreadable', 'the request is no PKCS #10 in PEM');
  }
}

/** DER, and the point of an elliptic curve in full: a compressed one would be the same key under another hash. */
function isWrittenAsUsual(key: KeyObject, keyKind: RequestedKey['keyKind'], spki: Buffer): boolean {
  const length = { 'P-256': 91, 'P-384': 120, RSA: spki.length }[keyKind];
  return spki.length === length && spkiOf(key).equals(spki);
}

function kindOf(key: KeyObject): RequestedKey['keyKind'] | undefined {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (namedCurve === 'prime256v1') return 'P-256';
  if (namedCurve === 'secp384r1') return 'P-384';
  return key.asymmetricKeyType === 'rsa' && modulusLength >= 2048 && modulusLength <= 4096
    ? 'RSA'
    : undefined;
}

/** SHA-256 of the SPKI of a key in PEM, in hexadecimal: what pins name it by. */
export function fingerprintOf(keyPem: string): string {
  return createHash('sha256')
    .update(spkiOf(createPrivateKey(keyPem)))
    .digest('hex');
}
