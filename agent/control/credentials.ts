/** A camera's user and password, out of a Secret in its namespace. */
import type { CameraClient } from '../../crds/camera-client.ts';
import { quote } from '../../protocol/result.ts';
import type { ConfigProblem } from '../../crds/config-error.ts';
import { listKeys, readKey, type Secret } from './kubernetes-kinds.ts';
import { problemAt, type Loaded } from './resources.ts';

/** Never logged, never shown, never in argv. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

const credentialKeys = ['username', 'password'] as const;

/** What a camera's `credentialsRef` names: undefined where there is none, a problem where it is not in the files. */
export function readCredentials(
  loaded: Loaded<CameraClient>,
  secrets: readonly Loaded<Secret>[],
): Credentials | ConfigProblem | undefined {
  const { credentialsRef } = loaded.resource.spec.source;
  if (credentialsRef === undefined) return undefined;
  const path = ['spec', 'source', 'credentialsRef', 'name'];
  const { namespace } = loaded.resource.metadata;
  const secret = secrets.find(
    ({ resource: { metadata } }) => metadata.name === credentialsRef.name && metadata.namespace === namespace,
  );
  if (secret === undefined) {
    const names = secrets.map(({ resource: { metadata } }) => `${metadata.namespace}/${metadata.name}`);
    const found = `found ${quote(credentialsRef.name)}`;
    const known = names.length === 0 ? 'there is none' : `there are ${names.join(', ')}`;
    return problemAt(loaded, path, `${found}: must be a Secret in namespace ${namespace}, ${known}`);
  }
  const [username, password] = credentialKeys.map((key) => readKey(secret.resource, key));
  if (username === undefined || password === undefined) {
    const keys = listKeys(secret.resource).join(', ');
    return problemAt(
      secret,
      [],
      `Secret ${credentialsRef.name} has ${keys || 'no keys'}: must have username and password`,
    );
  }
  return { username, password };
}
