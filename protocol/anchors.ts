/** The certificates of CAs that a home trusts, out of PEM. */
import type { KeyObject } from 'node:crypto';
import { judgeCritical, readBasicConstraints, readKeyUsage } from './certificate-extensions.ts';
import { type Certificate, equalBytes, hashBytes, parseCertificate } from './certificate-parsing.ts';
import { describeName } from './certificate-names.ts';
import { isSignedBy, readStrongKey } from './certificate-signature.ts';
import { oids } from './oids.ts';
import { type PemBlock, parsePem } from './pem.ts';
import { type Result, bad, good, quote } from './result.ts';

/** A CA certificate that is trusted by itself. */
export interface Anchor {
  /** Lower-case hexadecimal SHA-256 of the certificate. */
  readonly sha256: string;
  /** Lower-case hexadecimal SHA-256 of SubjectPublicKeyInfo. */
  readonly spkiSha256: string;
  /** For people: `CN=Homing CA 3f9a1c07`. */
  readonly subject: string;
  /** The subject's DER: a leaf's issuer is compared with it byte for byte. */
  readonly name: Uint8Array;
  readonly notAfterMs: number;
  readonly der: Uint8Array;
  readonly publicKey: KeyObject;
}

/** Why a PEM text is no list of anchors. */
export const anchorProblems = [
  'pem-malformed',
  'private-key',
  'no-anchors',
  'not-a-certificate',
  'certificate-malformed',
  'not-self-signed',
  'not-a-ca',
  'key-weak',
  'critical-extension',
  'name-constraints',
  'too-many',
] as const;

type AnchorProblem = (typeof anchorProblems)[number];

/** Far above a house's one or two (an old and a new CA during a change). */
const maxAnchors = 64;

/** Reads anchors in order, each once. A private key is looked for first, wherever it stands, and named. */
export function parseAnchors(pem: string): Result<readonly Anchor[], AnchorProblem> {
  const keyLine = pem.split('\n').findIndex((line) => line.includes('PRIVATE KEY'));
  if (keyLine !== -1) {
    return bad(
      'private-key',
      `reading anchors, line ${keyLine + 1}: a private key; put certificates only, and treat that key as leaked`,
    );
  }
  const blocks = parsePem(pem);
  if (!blocks.ok) return blocks;
  if (blocks.value.length > maxAnchors) {
    return bad('too-many', `reading anchors: ${blocks.value.length} are above ${maxAnchors}`);
  }
  const anchors = new Map<string, Anchor>();
  for (const block of blocks.value) {
    const anchor = readAnchor(block);
    if (!anchor.ok) return anchor;
    anchors.set(anchor.value.sha256, anchor.value);
  }
  return anchors.size > 0
    ? good([...anchors.values()])
    : bad('no-anchors', 'reading anchors: no certificate; a set without any would cut off everybody');
}

function readAnchor({ label, der, line }: PemBlock): Result<Anchor, AnchorProblem> {
  const where = `reading anchors, line ${line}`;
  if (label !== 'CERTIFICATE') {
    return bad('not-a-certificate', `${where}: ${quote(label)}; put CERTIFICATE blocks only`);
  }
  const certificate = parseCertificate(der);
  if (certificate === undefined) {
    return bad('certificate-malformed', `${where}: no X.509 certificate of version 3 in DER`);
  }
  const { subject, notAfterMs } = certificate;
  const publicKey = readStrongKey(certificate);
  if (publicKey === undefined) {
    return bad('key-weak', `${where}: its key is none of P-256, P-384, RSA of 2048 to 4096 bits`);
  }
  const problem = judgeAnchor(certificate, publicKey);
  if (problem !== undefined) return bad(problem, `${where}: ${anchorAdvice[problem]}`);
  const name = describeName(subject);
  const [sha256, spkiSha256] = [hashBytes(der), hashBytes(certificate.spki)];
  return good({ sha256, spkiSha256, subject: name, name: subject, notAfterMs, der, publicKey });
}

const anchorAdvice = {
  'not-self-signed': 'not self-signed by a strong signature; put the root here, intermediates are never used',
  'not-a-ca': 'no CA certificate: it needs basicConstraints CA and the key usage keyCertSign',
  'critical-extension': 'a critical extension that is not understood',
  'name-constraints': 'name constraints, which identifiers cannot be checked against; use a CA of its own',
} as const satisfies Partial<Record<AnchorProblem, string>>;

function judgeAnchor(certificate: Certificate, key: KeyObject): keyof typeof anchorAdvice | undefined {
  const isSelfSigned = equalBytes(certificate.issuer, certificate.subject) && isSignedBy(certificate, key);
  if (!isSelfSigned) return 'not-self-signed';
  const isAuthority = readBasicConstraints(certificate) === 'ca';
  if (!isAuthority || readKeyUsage(certificate)?.keyCertSign !== true) return 'not-a-ca';
  if (certificate.extensions.some(({ oid }) => oid === oids.nameConstraints)) return 'name-constraints';
  return judgeCritical(certificate) === undefined ? undefined : 'critical-extension';
}
