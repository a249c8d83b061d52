/** The one verifier of certificates, for signed messages and for TLS alike. */
import type { Anchor } from './anchors.ts';
import { judgeLeafProfile } from './certificate-profile.ts';
import { type Certificate, equalBytes, hashBytes, parseCertificate } from './certificate-parsing.ts';
import { describeName } from './certificate-names.ts';
import { isSignedBy } from './certificate-signature.ts';
import { type Bad, type Result, bad, good, quote } from './result.ts';
import type { CertificateDropReason, Leaf, LeafVerdict, TrustSet } from './trust.ts';

/** When this code was written: a clock before it is wrong (a Pi boots in 1970), so no certificate is judged by it. */
export const buildTimeMs = Date.UTC(2026, 0, 1);

/** A certificate of ours has 460 bytes, one with RSA 4096 and many addresses under 3,000. */
const maxCertificateBytes = 4096;

/**
 * Judges what the other side brought: a leaf of the profile, signed by an anchor itself, not denied, not expired. The dates
 * come last, so that they hide nothing; notBefore is not judged.
 *
 * @param chain DER; the leaf, then nothing but anchors
 * @param leafs remembers good leafs of this trust set, which saves the signature check
 */
export function verifyLeaf(
  chain: readonly Uint8Array[],
  trust: TrustSet,
  nowMs: number,
  leafs?: LeafCache,
): LeafVerdict {
  const [der, ...others] = chain;
  if (der === undefined) return bad('no-certificate', 'the other side brought no certificate');
  const intermediate = findIntermediate(others, trust);
  if (intermediate !== undefined) return intermediate;
  const sha256 = hashBytes(der);
  const known = leafs?.find(sha256, trust);
  if (known !== undefined) return judgeDates(known, trust, nowMs);
  const verdict = verifyUnknownLeaf(der, trust);
  if (!verdict.ok) return verdict;
  leafs?.add(sha256, trust, verdict.value);
  return judgeDates(verdict.value, trust, nowMs);
}

/**
 * Good leafs of one trust set, by the hash of the certificate; forgotten when the set changes. Its owner is whoever keeps
 * state; only good ones are kept, so a flood of bad ones evicts nobody.
 */
export class LeafCache {
  readonly #limit: number;
  readonly #leafs = new Map<string, Leaf>();
  #trust: TrustSet | undefined;

  /** @param limit the oldest goes first; 256 is five times the peers of one server */
  constructor(limit = 256) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#leafs.size;
  }

  find(sha256: string, trust: TrustSet): Leaf | undefined {
    return this.#trust === trust ? this.#leafs.get(sha256) : undefined;
  }

  add(sha256: string, trust: TrustSet, leaf: Leaf): void {
    if (this.#trust !== trust) this.#leafs.clear();
    this.#trust = trust;
    const [oldest] = this.#leafs.keys();
    if (this.#leafs.size >= this.#limit && oldest !== undefined) this.#leafs.delete(oldest);
    this.#leafs.set(sha256, leaf);
  }
}

function findIntermediate(others: readonly Uint8Array[], trust: TrustSet): Bad<'intermediate'> | undefined {
  const stranger = others.find((der) => !trust.anchors.some((anchor) => equalBytes(anchor.der, der)));
  if (stranger === undefined) return undefined;
  const certificate = parseCertificate(stranger.subarray(0, maxCertificateBytes));
  const name = certificate === undefined ? '' : describeName(certificate.subject);
  return bad('intermediate', `the chain brings ${quote(name)}: a leaf must be signed by an anchor itself`);
}

function verifyUnknownLeaf(der: Uint8Array, trust: TrustSet): LeafVerdict {
  const subject = readLeaf(der);
  if (!subject.ok) return subject;
  const { certificate, ...leaf } = subject.value;
  if (trust.deniedKeys.has(leaf.spkiSha256)) {
    return bad('denied', `the key ${leaf.spkiSha256} is on the deny list`);
  }
  if (trust.deniedIds.has(leaf.id)) return bad('denied', `${leaf.id} is on the deny list`);
  const anchor = findAnchor(certificate, trust);
  if (!anchor.ok) return anchor;
  if (trust.deniedKeys.has(anchor.value.spkiSha256)) {
    return bad('denied', `the key of the CA ${quote(anchor.value.subject)} is on the deny list`);
  }
  return good({ ...leaf, notAfterMs: certificate.notAfterMs, anchorSha256: anchor.value.sha256 });
}

/** What a certificate of our own says; nobody's signature and no date is judged. */
export function readOwnLeaf(der: Uint8Array): LeafVerdict {
  const subject = readLeaf(der);
  if (!subject.ok) return subject;
  const { certificate, ...leaf } = subject.value;
  return good({ ...leaf, notAfterMs: certificate.notAfterMs, anchorSha256: '' });
}

type UnsignedLeaf = Omit<Leaf, 'notAfterMs' | 'anchorSha256'> & { readonly certificate: Certificate };

function readLeaf(der: Uint8Array): Result<UnsignedLeaf, CertificateDropReason> {
  const certificate = der.length > maxCertificateBytes ? undefined : parseCertificate(der);
  if (certificate === undefined) {
    return bad('certificate-malformed', 'reading a certificate: no X.509 certificate of version 3 in DER');
  }
  const profile = judgeLeafProfile(certificate);
  if (!profile.ok) return profile;
  return good({ ...profile.value, spkiSha256: hashBytes(certificate.spki), certificate });
}

type AnchorVerdict = { readonly ok: true; readonly value: Anchor } | Bad<CertificateDropReason>;

function findAnchor(certificate: Certificate, { anchors }: TrustSet): AnchorVerdict {
  const named = anchors.filter(({ name }) => equalBytes(name, certificate.issuer));
  const signer = named.find(({ publicKey }) => isSignedBy(certificate, publicKey));
  if (signer !== undefined) return good(signer);
  const issuer = quote(describeName(certificate.issuer));
  return named.length === 0
    ? bad('unknown-ca', `the certificate is signed by ${issuer}, which is no CA of ours`)
    : bad(
        'certificate-signature',
        `the certificate names ${issuer}, but no CA of ours of that name signed it`,
      );
}

function judgeDates(leaf: Leaf, { anchors }: TrustSet, nowMs: number): LeafVerdict {
  const judgedAtMs = Math.max(nowMs, buildTimeMs);
  const anchor = anchors.find(({ sha256 }) => sha256 === leaf.anchorSha256);
  if (anchor === undefined)
    return bad('unknown-ca', 'the CA that signed the certificate is no longer trusted');
  if (judgedAtMs > anchor.notAfterMs) {
    return bad('ca-expired', `the CA ${quote(anchor.subject)} expired at ${isoTime(anchor.notAfterMs)}`);
  }
  return judgedAtMs > leaf.notAfterMs
    ? bad('expired', `the certificate of ${leaf.name} expired at ${isoTime(leaf.notAfterMs)}`)
    : good(leaf);
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
