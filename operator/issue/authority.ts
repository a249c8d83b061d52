/** The issuing CA: the Secret `homing-ca`, yours or made once. */
import { z } from 'zod';
import { caSecretName } from '../../crds/cluster.ts';
import { createAuthority, type KeyedCertificate } from '../../protocol/issuing.ts';
import type { KubeConnection } from '../kube/connection.ts';
import { secrets } from '../kube/kinds.ts';
import { createObject, getObject } from '../kube/objects.ts';
import { decode, encode } from '../specs/trust-secret.ts';

const tlsSecret = z.object({ data: z.object({ 'tls.crt': z.string(), 'tls.key': z.string() }) });

/** Reads the CA, or makes it. */
export async function openAuthority(
  connection: KubeConnection,
  namespace: string,
  nowMs: number,
): Promise<KeyedCertificate> {
  const place = { kind: secrets, name: caSecretName, namespace };
  const present = readAuthority(await getObject(connection, place));
  if (present !== undefined) return present;
  const made = await createAuthority({ nowMs });
  const object = {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { name: caSecretName, namespace },
    data: { 'tls.crt': encode(made.certificatePem), 'tls.key': encode(made.keyPem) },
  };
  if (await createObject(connection, secrets, object)) return made;
  return readAuthority(await getObject(connection, place)) ?? made;
}

/** The CA in a Secret of kubernetes.io/tls shape; undefined where there is none. */
export function readAuthority(raw: unknown): KeyedCertificate | undefined {
  const read = tlsSecret.safeParse(raw);
  if (!read.success) return undefined;
  const { data } = read.data;
  return { certificatePem: decode(data['tls.crt']), keyPem: decode(data['tls.key']) };
}
