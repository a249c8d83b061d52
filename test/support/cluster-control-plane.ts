/** The control plane of a test cluster, on the nodes' bridge in a namespace of its own: etcd, API server, controllers, scheduler. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterKeys } from './cluster-keys.ts';
import { apiServerAddress } from './cluster-node.ts';
import {
  type NamespaceProcess,
  endProcess,
  hasEnded,
  startInNamespace,
  tailOf,
} from './cluster-processes.ts';
import { type AuditEvent, auditPolicy, parseAuditLog } from './control-plane.ts';

export const clusterServer = `https://${apiServerAddress}:6443`;

export interface ControlPlaneHostOptions {
  readonly namespace: string;
  readonly directory: string;
  readonly binaries: string;
  readonly keys: ClusterKeys;
}

export class ControlPlaneHost {
  readonly #options: ControlPlaneHostOptions;
  readonly #processes = new Map<string, NamespaceProcess>();

  constructor(options: ControlPlaneHostOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { directory } = this.#options;
    await writeFile(path.join(directory, 'audit.yaml'), auditPolicy);
    this.#run('etcd', [
      `--data-dir=${directory}/etcd`,
      '--listen-client-urls=http://127.0.0.1:2379',
      '--advertise-client-urls=http://127.0.0.1:2379',
      '--listen-peer-urls=http://127.0.0.1:2380',
      '--unsafe-no-fsync',
      '--log-level=error',
    ]);
    await this.startApiServer();
    this.#run('kube-controller-manager', controllerFlags(this.#options.keys));
    this.#run('kube-scheduler', schedulerFlags(this.#options.keys));
  }

  /** Resolves when it is ready. */
  async startApiServer(): Promise<void> {
    const server = this.#run('kube-apiserver', apiServerFlags(this.#options));
    for (let tries = 0; tries < 600; tries += 1) {
      if (hasEnded(server.child)) throw new Error(`kube-apiserver has ended:\n${tailOf(server)}`);
      if (await this.#isReady()) return;
      await sleep(100);
    }
    throw new Error(`kube-apiserver is not ready:\n${tailOf(server)}`);
  }

  /** Nobody answers at its address until it is started again. */
  async stopApiServer(): Promise<void> {
    const server = this.#processes.get('kube-apiserver');
    if (server !== undefined) await endProcess(server, 'SIGKILL');
  }

  async auditLog(): Promise<readonly AuditEvent[]> {
    const file = this.#auditFile();
    return existsSync(file) ? parseAuditLog(await readFile(file, 'utf8')) : [];
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((each) => endProcess(each, 'SIGKILL')));
  }

  #auditFile(): string {
    return path.join(this.#options.directory, 'audit.log');
  }

  async #isReady(): Promise<boolean> {
    const { namespace, binaries, keys, directory } = this.#options;
    const kubectl = [path.join(binaries, 'kubectl'), '--kubeconfig', keys.path('admin.kubeconfig')];
    const log = path.join(directory, 'ready.log');
    const asked = startInNamespace(namespace, [...kubectl, 'get', '--raw', '/readyz'], log);
    while (!hasEnded(asked.child)) await sleep(10);
    return asked.child.exitCode === 0;
  }

  #run(program: string, flags: readonly string[]): NamespaceProcess {
    const { namespace, binaries, directory } = this.#options;
    const log = path.join(directory, `${program}.log`);
    const started = startInNamespace(namespace, [path.join(binaries, program), ...flags], log);
    this.#processes.set(program, started);
    return started;
  }
}

/** Keys of everybody in the control plane. */
export async function issueControlPlaneKeys(keys: ClusterKeys): Promise<void> {
  const service = 'DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:10.96.0.1';
  await Promise.all([keys.addAuthority('ca'), keys.addAuthority('front'), keys.addTokenKey()]);
  const server = { names: `${service},DNS:localhost,IP:127.0.0.1,IP:${apiServerAddress}` };
  await Promise.all([
    keys.issue({ name: 'apiserver', user: 'kube-apiserver', ...server }),
    keys.issue({ name: 'to-kubelets', user: 'kube-apiserver-to-kubelets', groups: ['system:masters'] }),
    keys.issue({ name: 'front-client', user: 'front-proxy', authority: 'front' }),
    keys.issueKubeconfig({ name: 'admin', user: 'admin', groups: ['system:masters'] }, clusterServer),
    keys.issueKubeconfig({ name: 'controllers', user: 'system:kube-controller-manager' }, clusterServer),
    keys.issueKubeconfig({ name: 'scheduler', user: 'system:kube-scheduler' }, clusterServer),
    keys.issueKubeconfig({ name: 'proxy', user: 'system:kube-proxy' }, clusterServer),
  ]);
}

function apiServerFlags({ directory, keys }: ControlPlaneHostOptions): readonly string[] {
  return [
    '--etcd-servers=http://127.0.0.1:2379',
    `--advertise-address=${apiServerAddress}`,
    '--bind-address=0.0.0.0',
    '--secure-port=6443',
    `--tls-cert-file=${keys.path('apiserver.crt')}`,
    `--tls-private-key-file=${keys.path('apiserver.key')}`,
    `--client-ca-file=${keys.path('ca.crt')}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    '--service-cluster-ip-range=10.96.0.0/16',
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${keys.path('sa.pub')}`,
    `--service-account-signing-key-file=${keys.path('sa.key')}`,
    `--kubelet-client-certificate=${keys.path('to-kubelets.crt')}`,
    `--kubelet-client-key=${keys.path('to-kubelets.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
    `--requestheader-client-ca-file=${keys.path('front.crt')}`,
    '--requestheader-allowed-names=front-proxy',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-username-headers=X-Remote-User',
    `--proxy-client-cert-file=${keys.path('front-client.crt')}`,
    `--proxy-client-key-file=${keys.path('front-client.key')}`,
    `--audit-log-path=${directory}/audit.log`,
    `--audit-policy-file=${directory}/audit.yaml`,
    '--audit-log-mode=blocking',
  ];
}

function controllerFlags(keys: ClusterKeys): readonly string[] {
  const kubeconfig = keys.path('controllers.kubeconfig');
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    `--root-ca-file=${keys.path('ca.crt')}`,
    `--service-account-private-key-file=${keys.path('sa.key')}`,
    `--cluster-signing-cert-file=${keys.path('ca.crt')}`,
    `--cluster-signing-key-file=${keys.path('ca.key')}`,
    '--use-service-account-credentials',
    '--allocate-node-cidrs=false',
    '--service-cluster-ip-range=10.96.0.0/16',
    '--leader-elect=false',
    // A node without power is NotReady after some 15 s, instead of 50.
    '--node-monitor-grace-period=16s',
    '--node-monitor-period=2s',
  ];
}

function schedulerFlags(keys: ClusterKeys): readonly string[] {
  const kubeconfig = keys.path('scheduler.kubeconfig');
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
  ];
}
