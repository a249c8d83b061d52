/** One node of a test cluster: a network namespace with a kubelet, containerd and kube-proxy of its own, and a power plug. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { nodeCgroup, prepareCgroups } from './cluster-cgroups.ts';
import { type NamespaceProcess, endProcess, hasEnded, startInNamespace } from './cluster-processes.ts';
import type { Topology, TopologyHost } from './topology.ts';

const run = promisify(execFile);
const initScript = path.join(import.meta.dirname, '../kubernetes/node-init');

export interface NodeOptions {
  readonly name: string;
  /** From 1: of its addresses. */
  readonly index: number;
  readonly topology: Topology;
  /** Its own folder. */
  readonly disk: string;
  readonly binaries: string;
  readonly images: string;
  readonly keys: string;
  readonly kubeletKubeconfig: string;
  readonly proxyKubeconfig: string;
}

export const apiServerAddress = '10.240.0.1';
/** Pods of node N are in 10.244.N.0/24. */
export const podNetworkOf = (index: number): string => `10.244.${index}.0/24`;
export const nodeAddressOf = (index: number): string => `10.240.0.${10 + index}`;
const mostNodes = 9;

export class ClusterNode {
  readonly name: string;
  readonly address: string;
  readonly #options: NodeOptions;
  #host: TopologyHost | undefined;
  #init: NamespaceProcess | undefined;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.name = options.name;
    this.address = nodeAddressOf(options.index);
  }

  get namespace(): string {
    if (this.#host === undefined) throw new Error(`${this.name} is off`);
    return this.#host.namespace;
  }

  /** A path of the node's /var/lib, as this machine sees it: its disk, whether it is on or off. */
  disk(...parts: readonly string[]): string {
    return path.join(this.#options.disk, 'var-lib', ...parts);
  }

  /** Presses the button; resolves at once. */
  async boot(): Promise<void> {
    const { topology, disk, name, binaries, images } = this.#options;
    for (const folder of ['var-lib', 'var-log/pods', 'run', 'cni']) {
      await mkdir(path.join(disk, folder), { recursive: true });
    }
    await writeNodeFiles(this.#options);
    await prepareCgroups(name);
    const address = `${this.address}/24`;
    this.#host = topology.addHost(name, { eth0: { segment: 'home', addresses: [address] } });
    this.#host.setRoute(apiServerAddress);
    this.#host.forward();
    for (let other = 1; other <= mostNodes; other += 1) {
      if (other !== this.#options.index) this.#host.setRouteTo(podNetworkOf(other), nodeAddressOf(other));
    }
    const namespaces = ['--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child=KILL', '--mount-proc'];
    const init = ['unshare', ...namespaces, 'tini-static', '-g', '--', 'sh', initScript];
    const settings = { NODE: name, ADDRESS: this.address, DISK: disk, BINARIES: binaries, IMAGES: images };
    const env = { PATH: process.env['PATH'], ...settings };
    this.#init = startInNamespace(this.#host.namespace, init, path.join(disk, 'init.log'), env);
  }

  /** Pulls the plug: no process of the node does anything more, and nobody hears a word of it. */
  async powerOff(): Promise<void> {
    if (this.#host === undefined || this.#init === undefined) return;
    this.#host.detach('eth0');
    await this.#kill(this.#init);
    this.#options.topology.removeHost(this.#host);
    this.#host = undefined;
  }

  /** Runs a command in the node's namespaces, as on a shell there. */
  async exec(...command: readonly string[]): Promise<string> {
    const pid = this.#firstPid();
    const namespaces = ['--mount', '--uts', '--ipc', '--net', '--pid'];
    const { stdout } = await run('nsenter', [`--target=${pid}`, ...namespaces, '--', ...command], {
      maxBuffer: 1 << 26,
    });
    return stdout;
  }

  /** The last words of one of its programs: kubelet, containerd, kube-proxy, init. */
  async log(program: string): Promise<string> {
    const file = path.join(this.#options.disk, `${program}.log`);
    return existsSync(file) ? (await readFile(file, 'utf8')).slice(-4000) : '';
  }

  /** With its first process everything of a PID namespace dies at once. */
  async #kill(init: NamespaceProcess): Promise<void> {
    const pid = this.#firstPid();
    if (pid === undefined) await endProcess(init, 'SIGKILL');
    else {
      process.kill(pid, 'SIGKILL');
      while (!hasEnded(init.child)) await sleep(10);
    }
  }

  #firstPid(): number | undefined {
    const outer = this.#init?.child.pid;
    if (outer === undefined) return undefined;
    const file = `/proc/${outer}/task/${outer}/children`;
    const [first] = existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ') : [];
    return first === undefined || first === '' ? undefined : Number(first);
  }
}

async function writeNodeFiles(options: NodeOptions): Promise<void> {
  const { disk, index, keys, name, kubeletKubeconfig, proxyKubeconfig } = options;
  const write = async (file: string, text: string) => writeFile(path.join(disk, file), text, { mode: 0o600 });
  await write('containerd.toml', containerdConfig(disk));
  await write('cni/10-pods.conflist', JSON.stringify(podNetworkConfig(index)));
  await write('resolv.conf', `nameserver ${apiServerAddress}\n`);
  await write('kubelet.yaml', JSON.stringify(kubeletConfig({ disk, keys, name })));
  await write('kubelet.kubeconfig', await readFile(kubeletKubeconfig, 'utf8'));
  await write('kube-proxy.yaml', JSON.stringify(proxyConfig(name, proxyKubeconfig)));
}

/** Inside containers of a machine's own, the score of the first process cannot be lowered. */
function containerdConfig(disk: string): string {
  return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "localhost/pause:1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${disk}/cni"
`;
}

function podNetworkConfig(index: number): object {
  const range = [{ subnet: podNetworkOf(index) }];
  const ipam = { type: 'host-local', dataDir: '/run/cni', ranges: [range], routes: [{ dst: '0.0.0.0/0' }] };
  const pods = { type: 'ptp', ipMasq: false, ipam };
  const ports = { type: 'portmap', capabilities: { portMappings: true } };
  return { cniVersion: '0.4.0', name: 'pods', plugins: [pods, ports] };
}

function kubeletConfig({ disk, keys, name }: Pick<NodeOptions, 'disk' | 'keys' | 'name'>): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    failCgroupV1: false,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${nodeCgroup(name)}`,
    oomScoreAdj: 0,
    failSwapOn: false,
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: path.join(keys, 'ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: path.join(keys, `${name}.crt`),
    tlsPrivateKeyFile: path.join(keys, `${name}.key`),
    clusterDomain: 'cluster.local',
    clusterDNS: ['10.96.0.10'],
    resolvConf: path.join(disk, 'resolv.conf'),
    nodeStatusUpdateFrequency: '4s',
    // A test machine's disk is as full as it is.
    evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
  };
}

function proxyConfig(name: string, kubeconfig: string): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'iptables',
    clusterCIDR: '10.244.0.0/16',
    hostnameOverride: name,
    clientConnection: { kubeconfig },
    // The machine's own limits are not a namespace's to set.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
}
