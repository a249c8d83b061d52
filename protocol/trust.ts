/** The trust set: CA certificates and deny list. Everything is checked against it. */
import { type Anchor, anchorProblems, parseAnchors } from './anchors.ts';
import { type ClientId, type ServerId, isClientId, isServerId, operatorId } from './identifiers.ts';
import type { LeafKey } from './leaf-key.ts';
import { type Result, bad, good, quote } from './result.ts';

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
  readonly publicKey: LeafKey;
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
export const trustProblems = [...anchorProblems, 'deny-entry'] as const;

export type TrustProblem = (typeof trustProblems)[number];

export interface TrustTexts {
  /** PEM: self-signed certificates only. Text between the blocks is a comment. */
  readonly anchorsPem: string;
  /** SHA-256 of an SPKI (64 hexadecimal digits, `sha256:` before or not), or an identifier, one a line; `#` comments. */
  readonly denyText: string;
}

/** Trusts nobody. */
export const emptyTrust: TrustSet = { anchors: [], deniedKeys: new Set(), deniedIds: new Set() };

const maxDenied = 10_000;

/** Reads a trust set, whole or not at all. */
export function parseTrust({ anchorsPem, denyText }: TrustTexts): Result<TrustSet, TrustProblem> {
  const anchors = parseAnchors(anchorsPem);
  if (!anchors.ok) return anchors;
  const denied = parseDenyList(denyText);
  return denied.ok ? good({ anchors: anchors.value, ...denied.value }) : denied;
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
