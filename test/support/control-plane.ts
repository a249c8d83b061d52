/** A real API server with its etcd on ports of their own, for as long as a test needs it. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { z } from 'zod';

const run = promisify(execFile);
const root = path.join(import.meta.dirname, '../..');

export interface ControlPlaneOptions {
  readonly auditLog?: boolean;
  readonly flags?: readonly string[];
  readonly port?: number;
}

export interface KubectlResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** One line of the audit log. */
export type AuditEvent = z.output<typeof auditEvent>;

export interface ControlPlane {
  /** Of an administrator. */
  readonly kubeconfigPath: string;
  readonly url: string;
  readonly caPem: string;
  readonly port: number;
  kubeconfigFor(who: { readonly user: string; readonly groups?: readonly string[] }): Promise<string>;
  kubectl(
    ...args: (string | { readonly stdin?: string; readonly kubeconfig?: string })[]
  ): Promise<KubectlResult>;
  /** Requests that were answered so far. */
  auditLog(): Promise<readonly AuditEvent[]>;
  stop(): Promise<void>;
}

/** Starts it: some three seconds. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const binaries = await findBinaries();
  const directory = await mkdtemp(path.join(tmpdir(), 'homing-control-plane-'));
  const [etcdPort, peerPort, freePort] = [await findFreePort(), await findFreePort(), await findFreePort()];
  const port = options.port ?? freePort;
  await makeKeys(directory);
  const etcd = spawn(
    path.join(binaries, 'etcd'),
    [
      `--data-dir=${directory}/etcd`,
      `--listen-client-urls=http://127.0.0.1:${etcdPort}`,
      `--advertise-client-urls=http://127.0.0.1:${etcdPort}`,
      `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
      '--unsafe-no-fsync',
      '--log-level=error',
    ],
    { stdio: 'ignore' },
  );
  const auditPath = path.join(directory, 'audit.log');
  await writeFile(path.join(directory, 'audit.yaml'), auditPolicy);
  const apiserver = spawn(
    path.join(binaries, 'kube-apiserver'),
    [
      `--etcd-servers=http://127.0.0.1:${etcdPort}`,
      '--bind-address=127.0.0.1',
      '--endpoint-reconciler-type=none',
      `--secure-port=${port}`,
      `--tls-cert-file=${directory}/apiserver.crt`,
      `--tls-private-key-file=${directory}/apiserver.key`,
      `--client-ca-file=${directory}/ca.crt`,
      '--authorization-mode=Node,RBAC',
      '--service-cluster-ip-range=10.96.0.0/16',
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-account-key-file=${directory}/sa.pub`,
      `--service-account-signing-key-file=${directory}/sa.key`,
      `--cert-dir=${directory}`,
      ...(options.auditLog === true
        ? [
            `--audit-log-path=${auditPath}`,
            `--audit-policy-file=${directory}/audit.yaml`,
            '--audit-log-mode=blocking',
          ]
        : []),
      ...(options.flags ?? []),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  apiserver.stderr.on('data', (data: Buffer) => (log = (log + data.toString()).slice(-20_000)));
  const plane = new Plane({ binaries, directory, port, auditPath, children: [apiserver, etcd] });
  try {
    await plane.open(() => log);
    return plane;
  } catch (error) {
    await plane.stop();
    throw error;
  }
}

interface Parts {
  readonly binaries: string;
  readonly directory: string;
  readonly port: number;
  readonly auditPath: string;
  readonly children: readonly ChildProcess[];
}

class Plane implements ControlPlane {
  readonly #parts: Parts;
  readonly port: number;
  readonly url: string;
  kubeconfigPath = '';

  constructor(parts: Parts) {
    this.#parts = parts;
    this.port = parts.port;
    this.url = `https://127.0.0.1:${parts.port}`;
  }

  get caPem(): string {
    return readFileSync(path.join(this.#parts.directory, 'ca.crt'), 'utf8');
  }

  async open(log: () => string): Promise<void> {
    this.kubeconfigPath = await this.kubeconfigFor({ user: 'admin', groups: ['system:masters'] });
    const [apiserver] = this.#parts.children;
    for (let tries = 0; tries < 300; tries += 1) {
      if (apiserver?.exitCode !== null) throw new Error(`kube-apiserver has ended:\n${log()}`);
      const { code } = await this.kubectl('get', '--raw', '/readyz');
      if (code === 0) return;
      await sleep(100);
    }
    throw new Error(`kube-apiserver is not ready:\n${log()}`);
  }

  async kubeconfigFor({ user, groups = [] }: { user: string; groups?: readonly string[] }): Promise<string> {
    const { directory } = this.#parts;
    const name = `user-${user.replaceAll(/[^a-z0-9]+/gi, '-')}`;
    const subject = [`/CN=${user}`, ...groups.map((group) => `/O=${group}`)].join('');
    await issue(directory, { name, subject });
    const file = path.join(directory, `${name}.kubeconfig`);
    const base64 = (suffix: string) => readFileSync(path.join(directory, suffix)).toString('base64');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        { name: 'c', cluster: { server: this.url, 'certificate-authority-data': base64('ca.crt') } },
      ],
      users: [
        {
          name: 'u',
          user: {
            'client-certificate-data': base64(`${name}.crt`),
            'client-key-data': base64(`${name}.key`),
          },
        },
      ],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    };
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    return file;
  }

  async kubectl(...args: (string | { stdin?: string; kubeconfig?: string })[]): Promise<KubectlResult> {
    const words = args.filter((arg): arg is string => typeof arg === 'string');
    const options = args.find((arg) => typeof arg !== 'string') ?? {};
    const { stdin, kubeconfig = this.kubeconfigPath } = options;
    const child = spawn(path.join(this.#parts.binaries, 'kubectl'), ['--kubeconfig', kubeconfig, ...words]);
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (data: Buffer) => out.push(data));
    child.stderr.on('data', (data: Buffer) => err.push(data));
    child.stdin.end(stdin ?? '');
    const { promise, resolve } = Promise.withResolvers<number>();
    child.on('close', (code) => resolve(code ?? 1));
    const code = await promise;
    return { stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString(), code };
  }

  async auditLog(): Promise<readonly AuditEvent[]> {
    if (!existsSync(this.#parts.auditPath)) return [];
    const text = await readFile(this.#parts.auditPath, 'utf8');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => auditEvent.parse(JSON.parse(line)));
  }

  async stop(): Promise<void> {
    for (const child of this.#parts.children) {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
      await promise;
    }
    await rm(this.#parts.directory, { recursive: true, force: true });
  }
}

const auditEvent = z.looseObject({
  verb: z.string(),
  requestURI: z.string(),
  user: z.looseObject({ username: z.string() }),
  userAgent: z.string().optional(),
  objectRef: z
    .looseObject({
      resource: z.string().optional(),
      name: z.string().optional(),
      namespace: z.string().optional(),
      subresource: z.string().optional(),
    })
    .optional(),
  responseStatus: z.looseObject({ code: z.number().optional() }).optional(),
  stageTimestamp: z.string(),
});

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{ level: Metadata }]
`;

async function findBinaries(): Promise<string> {
  const { stdout } = await run(path.join(root, 'test/kubernetes/build'), { maxBuffer: 1 << 24 });
  return stdout.trim().split('\n').at(-1) ?? '';
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = server.address();
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  await closed.promise;
  return isNetworkAddress(address) ? address.port : 0;
}

function isNetworkAddress(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}

async function makeKeys(directory: string): Promise<void> {
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    `${directory}/ca.key`,
  ];
  const out = ['-subj', '/CN=test-ca', '-days', '2', '-out', `${directory}/ca.crt`];
  await run('openssl', ['req', '-x509', ...key, ...out]);
  await issue(directory, {
    name: 'apiserver',
    subject: '/CN=kube-apiserver',
    names: 'IP:127.0.0.1,DNS:localhost',
  });
  await run('openssl', ['genrsa', '-out', `${directory}/sa.key`, '2048']);
  await run('openssl', ['rsa', '-in', `${directory}/sa.key`, '-pubout', '-out', `${directory}/sa.pub`]);
}

async function issue(
  directory: string,
  { name, subject, names }: { name: string; subject: string; names?: string },
): Promise<void> {
  const at = (suffix: string) => `${directory}/${name}.${suffix}`;
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('key')];
  const more = names === undefined ? [] : ['-addext', `subjectAltName=${names}`];
  await run('openssl', ['req', ...key, '-subj', subject, '-out', at('csr'), ...more]);
  const authority = ['-CA', `${directory}/ca.crt`, '-CAkey', `${directory}/ca.key`];
  const out = ['-days', '2', '-copy_extensions', 'copy', '-out', at('crt')];
  await run('openssl', ['x509', '-req', '-in', at('csr'), ...authority, ...out]);
}
