/** A home of one's own for a test: a CA and what it signed. */
import { randomBytes } from 'node:crypto';
import { type Identity, parseIdentity } from '../../tls/identity.ts';
import { type ClientId, type ServerId, encodeIdentifier } from '../../protocol/identifiers.ts';
import {
  type KeyKind,
  type KeyedCertificate,
  createAuthority,
  issueClient,
  issueServer,
} from '../../protocol/issuing.ts';
import { type TrustSet, parseTrust } from '../../protocol/trust.ts';

export interface MintOptions {
  readonly id?: string;
  readonly days?: number;
  readonly nowMs?: number;
  readonly keyKind?: KeyKind;
  readonly keyPem?: string;
}

export interface TestHome {
  readonly authority: KeyedCertificate;
  readonly trust: TrustSet;
  /** @param name one DNS label */
  server(name: string, options?: MintOptions): Promise<Identity>;
  /** @param name `namespace/name` */
  client(name: string, options?: MintOptions): Promise<Identity>;
}

/** A new CA that nobody else has. */
export async function mintHome(options: MintOptions = {}): Promise<TestHome> {
  const authority = await createAuthority({ nowMs: Date.now(), ...options });
  return {
    authority,
    trust: trustOf(authority.certificatePem),
    async server(name, own = {}) {
      const id: ServerId = `hcsp:${own.id ?? mintIdentifier()}`;
      return parseIdentity(await issueServer(authority, { nowMs: Date.now(), ...own, name, id }));
    },
    async client(name, own = {}) {
      const id: ClientId = `ab:${own.id ?? mintIdentifier()}`;
      return parseIdentity(await issueClient(authority, { nowMs: Date.now(), ...own, name, id }));
    },
  };
}

/** The trust set of these texts; throws where they are none. */
export function trustOf(anchorsPem: string, denyText = ''): TrustSet {
  const trust = parseTrust({ anchorsPem, denyText });
  if (!trust.ok) throw new Error(trust.detail);
  return trust.value;
}

/** 22 random characters. */
function mintIdentifier(): string {
  return encodeIdentifier(randomBytes(16));
}
