/** The trust set: CA certificates and deny list. Everything is checked against it. */
import type { KeyObject } from 'node:crypto';
import type { ClientId, ServerId, operatorId } from './identifiers.ts';
import type { Result } from './result.ts';

export interface Anchor {
  readonly sha256: string;
  readonly subject: string;
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
  /** SHA-256 of the anchor that signed it. */
  readonly anchorSha256: string;
}

/** Why a certificate is not taken; a closed list, each counted, documented and tested. */
export type CertificateDropReason = string;

export type LeafVerdict = Result<Leaf, CertificateDropReason>;
