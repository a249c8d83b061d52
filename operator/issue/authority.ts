/** The issuing CA: the Secret `homing-ca`, yours or made once. */
import { z } from 'zod';
import { caSecretName, trustSecretName } from '../../crds/cluster.ts';
import { createAuthority, type KeyedCertificate } from '../../protocol/issuing.ts';
import type { KubeConnection } from '../kube/connection.ts';
import { pathOf, secrets, trustBundles } from '../kube/kinds.ts';
import { createObject, getObject } from '../kube/objects.ts';
import { encode } from '../specs/trust-secret.ts';
import { tellBundles } from './authority-telling.ts';
import { judgeAuthority, type AuthorityVerdict } from './authority-rules.ts';

type Refusal = Extract<AuthorityVerdict, { readonly kind: 'refuse' }>;

/** There is no CA to issue with, for a reason that a person must look at. */
export class AuthorityError extends Error {
  override readonly name = 'AuthorityError';
  readonly reason: Refusal['reason'];
  constructor({ reason, message }: Refusal) {
    super(message);
    this.reason = reason;
  }
}

/**
 * Reads the CA, or makes it where there never was one.
 *
 * @throws AuthorityError
 */
export async function openAuthority(
  connection: KubeConnection,
  namespace: string,
  nowMs: number,
): Promise<KeyedCertificate> {
  const place = { kind: secrets, name: caSecretName, namespace };
  const present = await getObject(connection, place);
  const bundles = await listBundles(connection);
  const verdict = judgeAuthority(present, await findTraces(connection, namespace, bundles));
  if (verdict.kind === 'use') return verdict.authority;
  if (verdict.kind === 'refuse') {
    await tellBundles(connection, bundles, { ...verdict, nowMs });
    throw new AuthorityError(verdict);
  }
  const made = await createAuthority({ nowMs });
  const data = { 'tls.crt': encode(made.certificatePem), 'tls.key': encode(made.keyPem) };
  const metadata = { name: caSecretName, namespace };
  const object = { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata, data };
  if (await createObject(connection, secrets, object)) return made;
  throw new Error(`the Secret ${caSecretName} has just been made by somebody else, or has no CA in it`);
}

const trustSecret = z.object({ data: z.record(z.string(), z.string()).optional() });
const bundleList = z.object({ items: z.array(z.unknown()) });
const anchored = z.object({
  metadata: z.object({ name: z.string() }),
  status: z.object({ anchors: z.array(z.unknown()).min(1) }),
});

async function listBundles(connection: KubeConnection): Promise<readonly unknown[]> {
  const { body } = await connection.request({ method: 'GET', path: pathOf(trustBundles), timeoutMs: 15_000 });
  return bundleList.parse(body).items;
}

/** Where a CA of before is named: what agents trust, and what bundles say that was trusted. */
async function findTraces(
  connection: KubeConnection,
  namespace: string,
  bundles: readonly unknown[],
): Promise<readonly string[]> {
  const secret = await getObject(connection, { kind: secrets, name: trustSecretName, namespace });
  const isTrusted = (trustSecret.safeParse(secret).data?.data?.['ca.crt'] ?? '') !== '';
  const named = bundles.flatMap((bundle) => anchored.safeParse(bundle).data?.metadata.name ?? []);
  return [
    ...(isTrusted ? [`the Secret ${trustSecretName}`] : []),
    ...named.map((name) => `the TrustBundle ${name}`),
  ];
}
