/** A real API server with its etcd on ports of their own, for as long as a test needs it. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import { makeKeys, writeKubeconfig, type Who } from './control-plane-keys.ts';
import { makePlaneDirectory, sweepControlPlanes } from './control-plane-sweep.ts';

const run = promisify(execFile);
const root = path.join(import.meta.dirname, '../..');

export interface ControlPlaneOptions {
  /** Every request at level Metadata, read by `auditLog()`. */
  readonly auditLog?: boolean;
  /** Further flags of kube-apiserver. */
  readonly flags?: readonly string[];
  /** Of the API server; a free one unless given. */
  readonly port?: number;
}

export interface KubectlResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** What `tokenFor` asks for: the ServiceAccount must be there, and the pod where one is named. */
export interface TokenWish {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly audience?: string;
  readonly seconds?: number;
  readonly pod?: { readonly name: string; readonly uid: string };
}

/** One line of the audit log. */
export type AuditEvent = z.output<typeof auditEvent>;

export interface ControlPlane {
  /** Of an administrator. */
  readonly kubeconfigPath: string;
  readonly url: string;
  readonly caPem: string;
  readonly port: number;
  /** A kubeconfig with a client certificate for that user. */
  kubeconfigFor(who: Who): Promise<string>;
  /** Runs kubectl and never throws for its verdict. */
  kubectl(
    ...args: (string | { readonly stdin?: string; readonly kubeconfig?: string })[]
  ): Promise<KubectlResult>;
  /** A token by TokenRequest. */
  tokenFor(wish: TokenWish): Promise<string>;
  /** Requests that were answered so far. */
  auditLog(): Promise<readonly AuditEvent[]>;
  stop(): Promise<void>;
}

/** Starts it: some three seconds. There is no controller manager: nothing is collected, no namespace goes away. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const binaries = await findBinaries();
  await sweepControlPlanes();
  const directory = await makePlaneDirectory();
  await makeKeys(directory);
  await writeFile(path.join(directory, 'audit.yaml'), auditPolicy);
  const etcdPort = await findFreePort();
  const etcd = spawn(
    path.join(binaries, 'etcd'),
    [
      `--data-dir=${directory}/etcd`,
      `--listen-client-urls=http://127.0.0.1:${etcdPort}`,
      `--advertise-client-urls=http://127.0.0.1:${etcdPort}`,
      `--listen-peer-urls=http://127.0.0.1:${await findFreePort()}`,
      '--unsafe-no-fsync',
      '--log-level=error',
    ],
    { stdio: 'ignore' },
  );
  const port = options.port ?? (await findFreePort());
  const flags = apiserverFlags({ directory, etcdPort, port, options });
  const apiserver = spawn(path.join(binaries, 'kube-apiserver'), flags, {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  apiserver.stderr.on('data', (data: Buffer) => (log = (log + data.toString()).slice(-20_000)));
  const plane = new Plane({ binaries, directory, port, children: [apiserver, etcd] });
  try {
    await plane.open(() => log);
    return plane;
  } catch (error) {
    await plane.stop();
    throw error;
  }
}

interface ServerPlace {
  readonly directory: string;
  readonly etcdPort: number;
  readonly port: number;
  readonly options: ControlPlaneOptions;
}

function apiserverFlags({ directory, etcdPort, port, options }: ServerPlace): readonly string[] {
  const audit = [
    `--audit-log-path=${directory}/audit.log`,
    `--audit-policy-file=${directory}/audit.yaml`,
    '--audit-log-mode=blocking',
  ];
  return [
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
    ...(options.auditLog === true ? audit : []),
    ...(options.flags ?? []),
  ];
}

interface Parts {
  readonly binaries: string;
  readonly directory: string;
  readonly port: number;
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

  async kubeconfigFor(who: Who): Promise<string> {
    return await writeKubeconfig(this.#parts.directory, this.url, who);
  }

  async kubectl(...args: (string | { stdin?: string; kubeconfig?: string })[]): Promise<KubectlResult> {
    const words = args.filter((arg): arg is string => typeof arg === 'string');
    const options = args.find((arg) => typeof arg !== 'string') ?? {};
    const { stdin, kubeconfig = this.kubeconfigPath } = options;
    // What it knows of the API server is kept beside it, and not in the user's home.
    const env = { ...process.env, KUBECACHEDIR: `${this.#parts.directory}/cache` };
    const program = path.join(this.#parts.binaries, 'kubectl');
    const child = spawn(program, ['--kubeconfig', kubeconfig, ...words], { env });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (data: Buffer) => out.push(data));
    child.stderr.on('data', (data: Buffer) => err.push(data));
    // kubectl that refuses its arguments closes this end first.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin ?? '');
    const { promise, resolve } = Promise.withResolvers<number>();
    child.on('close', (code) => resolve(code ?? 1));
    const code = await promise;
    return { stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString(), code };
  }

  async tokenFor({ namespace, serviceAccount, audience, seconds, pod }: TokenWish): Promise<string> {
    const bound = pod && ['--bound-object-kind=Pod', `--bound-object-name=${pod.name}`];
    const { stdout, stderr, code } = await this.kubectl(
      'create',
      'token',
      serviceAccount,
      `--namespace=${namespace}`,
      ...(audience === undefined ? [] : [`--audience=${audience}`]),
      ...(seconds === undefined ? [] : [`--duration=${seconds}s`]),
      ...(bound === undefined ? [] : [...bound, `--bound-object-uid=${pod?.uid}`]),
    );
    if (code !== 0) throw new Error(`asking for a token of ${namespace}/${serviceAccount}: ${stderr}`);
    return stdout.trim();
  }

  async auditLog(): Promise<readonly AuditEvent[]> {
    const auditPath = path.join(this.#parts.directory, 'audit.log');
    return existsSync(auditPath) ? parseAuditLog(await readFile(auditPath, 'utf8')) : [];
  }

  async stop(): Promise<void> {
    for (const child of this.#parts.children) {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
      await promise;
    }
    await rm(this.#parts.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The lines of an audit log. */
export function parseAuditLog(text: string): readonly AuditEvent[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => auditEvent.parse(JSON.parse(line)));
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

/** Every request that was answered, without bodies. */
export const auditPolicy = `apiVersion: audit.k8s.io/v1
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
