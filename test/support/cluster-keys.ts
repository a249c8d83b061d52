/** Keys, certificates and kubeconfigs of a test cluster, minted for it by openssl. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
const days = ['-days', '2'];

export interface KeyRequest {
  /** Of the files: NAME.crt and NAME.key. */
  readonly name: string;
  /** The user's name, as `CN`. */
  readonly user: string;
  /** The user's groups, as `O`. */
  readonly groups?: readonly string[];
  /** `DNS:…,IP:…`. */
  readonly names?: string;
  /** @defaultValue `ca` */
  readonly authority?: string;
}

export class ClusterKeys {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  path(name: string): string {
    return path.join(this.directory, name);
  }

  async addAuthority(name: string): Promise<void> {
    const out = ['-keyout', this.path(`${name}.key`), '-out', this.path(`${name}.crt`)];
    await run('openssl', ['req', '-x509', ...newKey, '-subj', `/CN=${name}`, ...days, ...out]);
  }

  async issue({ name, user, groups = [], names, authority = 'ca' }: KeyRequest): Promise<void> {
    const subject = `/CN=${user}${groups.map((group) => `/O=${group}`).join('')}`;
    const out = ['-keyout', this.path(`${name}.key`), '-out', this.path(`${name}.csr`)];
    const more = names === undefined ? [] : ['-addext', `subjectAltName=${names}`];
    await run('openssl', ['req', ...newKey, '-subj', subject, ...out, ...more]);
    const signer = ['-CA', this.path(`${authority}.crt`), '-CAkey', this.path(`${authority}.key`)];
    const issued = ['-copy_extensions', 'copy', '-out', this.path(`${name}.crt`)];
    await run('openssl', ['x509', '-req', '-in', this.path(`${name}.csr`), ...signer, ...days, ...issued]);
  }

  /** What service account tokens are signed with: sa.key, sa.pub. */
  async addTokenKey(): Promise<void> {
    const key = this.path('sa.key');
    await run('openssl', ['genrsa', '-out', key, '2048']);
    await run('openssl', ['rsa', '-in', key, '-pubout', '-out', this.path('sa.pub')]);
  }

  /** Issues, and writes NAME.kubeconfig; gives its path. */
  async issueKubeconfig(request: KeyRequest, server: string): Promise<string> {
    await this.issue(request);
    const { name } = request;
    const base64 = (file: string): string => readFileSync(this.path(file)).toString('base64');
    const cluster = { server, 'certificate-authority-data': base64('ca.crt') };
    const user = {
      'client-certificate-data': base64(`${name}.crt`),
      'client-key-data': base64(`${name}.key`),
    };
    const file = this.path(`${name}.kubeconfig`);
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'cluster', cluster }],
      users: [{ name: 'user', user }],
      contexts: [{ name: 'context', context: { cluster: 'cluster', user: 'user' } }],
      'current-context': 'context',
    };
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    return file;
  }
}
