/** Keys, certificates and kubeconfigs of a control plane that lives as long as a test. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout'];

/** Who a client certificate is for: CN and O, as the API server reads them. */
export interface Who {
  readonly user: string;
  readonly groups?: readonly string[];
}

/** Writes ca.crt, ca.key, apiserver.crt, apiserver.key, sa.key and sa.pub. */
export async function makeKeys(directory: string): Promise<void> {
  const out = ['-subj', '/CN=test-ca', '-days', '2', '-out', `${directory}/ca.crt`];
  await run('openssl', ['req', '-x509', ...newKey, `${directory}/ca.key`, ...out]);
  const names = 'IP:127.0.0.1,DNS:localhost';
  await issue(directory, { name: 'apiserver', subject: '/CN=kube-apiserver', names });
  await run('openssl', ['genrsa', '-out', `${directory}/sa.key`, '2048']);
  await run('openssl', ['rsa', '-in', `${directory}/sa.key`, '-pubout', '-out', `${directory}/sa.pub`]);
}

/** Writes a kubeconfig with a client certificate of its own, and gives its path. */
export async function writeKubeconfig(
  directory: string,
  url: string,
  { user, groups = [] }: Who,
): Promise<string> {
  const name = `user-${user.replaceAll(/[^a-z0-9]+/gi, '-')}`;
  // openssl takes a slash for the beginning of the next part of the subject.
  const subject = [`CN=${user}`, ...groups.map((group) => `O=${group}`)]
    .map((part) => `/${part.replaceAll('/', String.raw`\/`)}`)
    .join('');
  await issue(directory, { name, subject });
  const base64 = async (file: string) => (await readFile(path.join(directory, file))).toString('base64');
  const cluster = { server: url, 'certificate-authority-data': await base64('ca.crt') };
  const credentials = {
    'client-certificate-data': await base64(`${name}.crt`),
    'client-key-data': await base64(`${name}.key`),
  };
  const file = path.join(directory, `${name}.kubeconfig`);
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user: credentials }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}

interface Request {
  /** Of the files. */
  readonly name: string;
  readonly subject: string;
  readonly names?: string;
}

async function issue(directory: string, { name, subject, names }: Request): Promise<void> {
  const at = (suffix: string) => `${directory}/${name}.${suffix}`;
  const more = names === undefined ? [] : ['-addext', `subjectAltName=${names}`];
  await run('openssl', ['req', ...newKey, at('key'), '-subj', subject, '-out', at('csr'), ...more]);
  const authority = ['-CA', `${directory}/ca.crt`, '-CAkey', `${directory}/ca.key`];
  const out = ['-days', '2', '-copy_extensions', 'copy', '-out', at('crt')];
  await run('openssl', ['x509', '-req', '-in', at('csr'), ...authority, ...out]);
}
