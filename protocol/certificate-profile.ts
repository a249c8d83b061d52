/** What a leaf certificate must look like: one identifier of ours, a name of its kind, and the purposes of its role. */
import {
  judgeCritical,
  readBasicConstraints,
  readExtendedKeyUsage,
  readKeyUsage,
  readUris,
} from './certificate-extensions.ts';
import { readCommonName } from './certificate-names.ts';
import type { Certificate } from './certificate-parsing.ts';
import { isStrongAlgorithm } from './certificate-signature.ts';
import { isClientId, isClientName, isServerId, isServerName, operatorId } from './identifiers.ts';
import { readLeafKey } from './leaf-key.ts';
import { oids } from './oids.ts';
import { type Bad, type Result, bad, good, quote } from './result.ts';
import type { CertificateDropReason, Leaf, Role } from './trust.ts';

type Profile = Pick<Leaf, 'role' | 'id' | 'name' | 'publicKey'>;
type Verdict<Value> = Result<Value, CertificateDropReason>;

/** Judges all that needs neither the trust set nor a clock. */
export function judgeLeafProfile(certificate: Certificate): Verdict<Profile> {
  const problem = judgeUse(certificate);
  if (problem !== undefined) return problem;
  const identity = readIdentity(certificate);
  if (!identity.ok) return identity;
  const purposes = judgePurposes(certificate, identity.value.role);
  if (purposes !== undefined) return purposes;
  const publicKey = readLeafKey(certificate.spki);
  return publicKey === undefined
    ? bad('key-weak', 'the key is none of P-256, P-384, RSA of 2048 to 4096 bits')
    : good({ ...identity.value, publicKey });
}

function judgeUse(certificate: Certificate): Bad<CertificateDropReason> | undefined {
  const { algorithm } = certificate.signature;
  if (!isStrongAlgorithm(algorithm)) {
    return bad(
      'signature-algorithm',
      'the certificate is signed by none of ECDSA and RSA PKCS #1 with SHA-2',
    );
  }
  const critical = judgeCritical(certificate);
  if (critical !== undefined) {
    return bad('critical-extension', `the critical extension ${critical} (hexadecimal) is not understood`);
  }
  const constraints = readBasicConstraints(certificate);
  if (constraints === 'malformed') return bad('certificate-malformed', 'reading basicConstraints: not DER');
  if (constraints === 'ca') return bad('leaf-is-ca', 'the certificate is a CA’s own and speaks for nobody');
  const usage = readKeyUsage(certificate);
  if (usage !== undefined && (!usage.digitalSignature || usage.keyCertSign)) {
    return bad('key-usage', 'the key usage must have digitalSignature and must not have keyCertSign');
  }
  return undefined;
}

const ourSchemes = /^(?:hcsp|ab|homing):/i;

function readIdentity(certificate: Certificate): Verdict<Pick<Leaf, 'role' | 'id' | 'name'>> {
  const uris = readUris(certificate)?.filter((uri) => ourSchemes.test(uri)) ?? [];
  const [uri = ''] = uris;
  const subject = identifySubject(uri);
  if (uris.length !== 1 || subject === undefined) {
    return bad(
      'identifier',
      `the subject has ${uris.length} identifiers (${quote(uris.join(' '))}), not one good one`,
    );
  }
  const name = readCommonName(certificate.subject);
  const isName = subject.role === 'client' ? isClientName : isServerName;
  if (name === undefined || !isName(name)) {
    return bad('name', `the common name ${quote(name ?? '')} is no ${subject.role}’s name`);
  }
  return good({ ...subject, name });
}

function identifySubject(uri: string): Pick<Leaf, 'role' | 'id'> | undefined {
  if (isServerId(uri)) return { role: 'server', id: uri };
  if (isClientId(uri)) return { role: 'client', id: uri };
  return uri === operatorId ? { role: 'operator', id: operatorId } : undefined;
}

/** Exactly these, so that every other TLS library comes to the same role. */
const purposesOf = {
  server: [oids.serverAuth, oids.clientAuth],
  client: [oids.clientAuth],
  operator: [oids.serverAuth],
} as const satisfies Record<Role, readonly string[]>;

function judgePurposes(certificate: Certificate, role: Role): Bad<CertificateDropReason> | undefined {
  const found = new Set(readExtendedKeyUsage(certificate));
  const wanted: readonly string[] = purposesOf[role];
  const isExact = found.size === wanted.length && wanted.every((purpose) => found.has(purpose));
  return isExact
    ? undefined
    : bad('extended-key-usage', `a ${role} must have ${purposeNames[role]} and nothing else`);
}

const purposeNames = {
  server: 'serverAuth and clientAuth',
  client: 'clientAuth',
  operator: 'serverAuth',
} as const satisfies Record<Role, string>;
