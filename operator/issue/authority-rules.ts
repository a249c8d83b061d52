/** Which CA issues: the one in the Secret, a new one where there never was any, else none. Never silently another. Pure. */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { caSecretName } from '../../crds/cluster.ts';
import { parseAnchors } from '../../protocol/anchors.ts';
import { spkiOf } from '../../protocol/certificate-signature.ts';
import { encodePem } from '../../protocol/pem.ts';
import type { KeyedCertificate } from '../../protocol/issuing.ts';
import { decode } from '../specs/trust-secret.ts';

export type AuthorityVerdict =
  | { readonly kind: 'use'; readonly authority: KeyedCertificate }
  | { readonly kind: 'make' }
  | {
      readonly kind: 'refuse';
      readonly reason: 'CAMissing' | 'CANotSelfSigned' | 'CAInvalid';
      readonly message: string;
    };

const tlsSecret = z.object({ data: z.record(z.string(), z.string()).optional() });

/** Judges the Secret as the API server has it; undefined: it is not there. @param traces where a CA of before is still named */
export function judgeAuthority(secret: unknown, traces: readonly string[]): AuthorityVerdict {
  const data = tlsSecret.safeParse(secret).data?.data ?? {};
  const [certificate, key] = [data['tls.crt'], data['tls.key']];
  if (certificate === undefined && key === undefined) return judgeMissing(traces);
  if (certificate === undefined || key === undefined) {
    return refuse(
      'CAInvalid',
      'has not both tls.crt and tls.key: must be a Secret of type kubernetes.io/tls',
    );
  }
  return judgeKeyed({ certificatePem: decode(certificate), keyPem: decode(key) });
}

function judgeMissing(traces: readonly string[]): AuthorityVerdict {
  if (traces.length === 0) return { kind: 'make' };
  return refuse(
    'CAMissing',
    `is gone, while ${traces.join(' and ')} still trust it: bring it back from a backup or from Git. ` +
      'Only where that CA is to be given up for good: delete these too, and every server and camera enrols anew',
  );
}

function judgeKeyed({ certificatePem, keyPem }: KeyedCertificate): AuthorityVerdict {
  const anchors = parseAnchors(certificatePem);
  if (!anchors.ok) {
    const reason = anchors.reason === 'not-self-signed' ? 'CANotSelfSigned' : 'CAInvalid';
    return refuse(
      reason,
      `tls.crt: ${anchors.detail}. Homing trusts a root of its own, as a shared issuer signs any name`,
    );
  }
  const [anchor] = anchors.value;
  if (anchor === undefined || !isKeyOf(keyPem, certificatePem)) {
    return refuse('CAInvalid', 'tls.key is not the key of tls.crt');
  }
  // Issuers write the chain: a root's is itself.
  return { kind: 'use', authority: { certificatePem: encodePem('CERTIFICATE', anchor.der), keyPem } };
}

function isKeyOf(keyPem: string, certificatePem: string): boolean {
  try {
    return spkiOf(createPrivateKey(keyPem)).equals(spkiOf(createPublicKey(certificatePem)));
  } catch {
    return false;
  }
}

function refuse(reason: 'CAMissing' | 'CANotSelfSigned' | 'CAInvalid', what: string): AuthorityVerdict {
  return { kind: 'refuse', reason, message: `The Secret ${caSecretName} ${what}.` };
}
