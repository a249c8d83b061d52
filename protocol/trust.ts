/** The trust set: CA certificates and deny list. Everything is checked against it. */
import { type KeyObject, createPublicKey } from 'node:crypto';
import {
  type Certificate,
  describeName,
  equalBytes,
  hashBytes,
  isSignedBy,
  parseCertificate,
} from './certificate-parsing.ts';
import { isStrongKey, judgeCritical, readBasicConstraints, readKeyUsage } from './certificate-extensions.ts';
import { type ClientId, type ServerId, isClientId, isServerId, operatorId } from './identifiers.ts';
import { oids } from './oids.ts';
import { type PemBlock, parsePem } from './pem.ts';
import { type Result, bad, good, quote } from './result.ts';

export interface Anchor {
  /** Lower-case hexadecimal SHA-256 of the certificate. */
  readonly sha256: string;
  /** For people: `CN=Homing CA 3f9a1c07`. */
  readonly subject: string;
  /** The subject's DER: a leaf's issuer is compared with it byte for byte. */
  readonly name: Uint8Array;
  readonly notAfterMs: number;
  readonly der: Uint8Array;
  readonly publicKey: KeyObject;
}

export interface TrustSet {
  readonly anchors: readonly Anchor[];
  /** Lower-case hexadecimal SHA-256 of SubjectPublicKeyInfo. */
  readonly deniedKeys: ReadonlySet<string>;
  readonly deniedIds: ReadonlySet<string>;
}

export type Role = 'server' | 'client' | 'operator';

/** What a good leaf certificate says: the only binding of key, identifier and name. */
export interface Leaf {
  readonly role: Role;
  readonly id: ServerId | ClientId | typeof operatorId;
  /** A server's name, or a client's `namespace/name`. */
  readonly name: string;
  /** Lower-case hexadecimal SHA-256 of SubjectPublicKeyInfo. */
  readonly spkiSha256: string;
  readonly publicKey: KeyObject;
  readonly notAfterMs: number;
  /** SHA-256 of the anchor that signed it; empty in our own, as it is not known who will judge it. */
  readonly anchorSha256: string;
}

/** Why a certificate is not taken; a closed list, each counted, documented and tested. */
export const certificateDropReasons = [
  'no-certificate',
  'certificate-malformed',
  'intermediate',
  'key-weak',
  'signature-algorithm',
  'critical-extension',
  'leaf-is-ca',
  'key-usage',
  'identifier',
  'name',
  'extended-key-usage',
  'denied',
  'unknown-ca',
  'certificate-signature',
  'ca-expired',
  'expired',
  'second-opinion',
] as const;

export type CertificateDropReason = (typeof certificateDropReasons)[number];

export type LeafVerdict = Result<Leaf, CertificateDropReason>;

/** Why the two texts of a trust set are not taken; then nothing of them is. */
export const trustProblems = [
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
  'deny-entry',
] as const;

export type TrustProblem = (typeof trustProblems)[number];

export interface TrustTexts {
  /** PEM: self-signed certificates only. Text between the blocks is a comment. */
  readonly anchorsPem: string;
  /** SHA-256 of an SPKI (64 hexadecimal digits, `sha256:` before or not), or an identifier, one a line; `#` comments. */
  readonly denyText: string;
}

/** Trusts nobody. */
export const emptyTrust: TrustSet = { anchors: [], deniedKeys: new Set(), deniedIds: new Set() };

/** Far above a house's one or two (an old and a new CA during a change). */
export const maxAnchors = 64;
export const maxDenied = 10_000;

/** Reads a trust set, whole or not at all. */
export function parseTrust({ anchorsPem, denyText }: TrustTexts): Result<TrustSet, TrustProblem> {
  const anchors = parseAnchors(anchorsPem);
  if (!anchors.ok) return anchors;
  const denied = parseDenyList(denyText);
  return denied.ok ? good({ anchors: anchors.value, ...denied.value }) : denied;
}

/** Reads anchors in order, each once. A private key is looked for first, wherever it stands, and named. */
export function parseAnchors(pem: string): Result<readonly Anchor[], TrustProblem> {
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

type DenyList = Pick<TrustSet, 'deniedKeys' | 'deniedIds'>;

/** Reads a deny list, whole or not at all. */
export function parseDenyList(text: string): Result<DenyList, 'too-many' | 'deny-entry'> {
  const deniedKeys = new Set<string>();
  const deniedIds = new Set<string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const entry = line.replace(/#.*$/, '').trim();
    const key = /^(?:sha256:)?([0-9a-fA-F]{64})$/.exec(entry)?.[1];
    if (entry === '') continue;
    if (key !== undefined) deniedKeys.add(key.toLowerCase());
    else if (isServerId(entry) || isClientId(entry) || entry === operatorId) deniedIds.add(entry);
    else {
      return bad(
        'deny-entry',
        `reading the deny list, line ${index + 1}: ${quote(entry)} is neither 64 hexadecimal digits (SHA-256 of a key) nor an identifier`,
      );
    }
    if (deniedKeys.size + deniedIds.size > maxDenied) {
      return bad('too-many', `reading the deny list: above ${maxDenied} entries`);
    }
  }
  return good({ deniedKeys, deniedIds });
}

/** The union: anchors in order, each once, and whatever any of them denies. */
export function uniteTrust(...sets: readonly TrustSet[]): TrustSet {
  const anchors = new Map(sets.flatMap((set) => set.anchors).map((anchor) => [anchor.sha256, anchor]));
  return {
    anchors: [...anchors.values()],
    deniedKeys: new Set(sets.flatMap(({ deniedKeys }) => [...deniedKeys])),
    deniedIds: new Set(sets.flatMap(({ deniedIds }) => [...deniedIds])),
  };
}

function readAnchor({ label, der, line }: PemBlock): Result<Anchor, TrustProblem> {
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
  return good({ sha256: hashBytes(der), subject: name, name: subject, notAfterMs, der, publicKey });
}

const anchorAdvice = {
  'not-self-signed': 'not self-signed by a strong signature; put the root here, intermediates are never used',
  'not-a-ca': 'no CA certificate: it needs basicConstraints CA and the key usage keyCertSign',
  'critical-extension': 'a critical extension that is not understood',
  'name-constraints': 'name constraints, which identifiers cannot be checked against; use a CA of its own',
} as const satisfies Partial<Record<TrustProblem, string>>;

function judgeAnchor(certificate: Certificate, key: KeyObject): keyof typeof anchorAdvice | undefined {
  const isSelfSigned = equalBytes(certificate.issuer, certificate.subject) && isSignedBy(certificate, key);
  if (!isSelfSigned) return 'not-self-signed';
  const isAuthority = readBasicConstraints(certificate) === 'ca';
  if (!isAuthority || readKeyUsage(certificate)?.keyCertSign !== true) return 'not-a-ca';
  if (certificate.extensions.some(({ oid }) => oid === oids.nameConstraints)) return 'name-constraints';
  return judgeCritical(certificate) === undefined ? undefined : 'critical-extension';
}

/** The certificate's key, if it is of a kind and size that is taken. */
export function readStrongKey({ spki }: Certificate): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    return isStrongKey(key) ? key : undefined;
  } catch {
    // OpenSSL cannot read it: a point off the curve, an algorithm that it does not know.
    return undefined;
  }
}
