/** A real Kubernetes cluster: nodes as namespaces on one bridge, each with its kubelet, containerd and kube-proxy. Needs root. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { writeImage } from '../../image/oci.ts';
import { sweepCgroups } from './cluster-cgroups.ts';
import { ControlPlaneHost, clusterServer, issueControlPlaneKeys } from './cluster-control-plane.ts';
import { ClusterKeys } from './cluster-keys.ts';
import { ClusterNode, apiServerAddress, nodeAddressOf, podNetworkOf } from './cluster-node.ts';
import { kubernetesBinaries } from './helm.ts';
import { Topology, type TopologyHost } from './topology.ts';

const run = promisify(execFile);
const pauseProgram = path.join(import.meta.dirname, '../kubernetes/pause');
const folderPrefix = 'homing-cluster-';
const largestOutput = 1 << 26;

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ClusterOptions {
  /** Nodes that are booted: node-1, node-2, … */
  readonly nodes: number;
  /** Writes archives of images into the folder. */
  readonly images?: (directory: string) => Promise<void>;
}

/** Starts it; resolves when all nodes are Ready, which takes some ten seconds. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  sweepClusters();
  const directory = await mkdtemp(path.join(tmpdir(), `${folderPrefix}${process.pid}-`));
  const cluster = new Cluster(directory, await kubernetesBinaries());
  try {
    await cluster.open(options);
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

export class Cluster {
  readonly topology = new Topology();
  readonly nodes: ClusterNode[] = [];
  readonly directory: string;
  readonly #binaries: string;
  readonly #keys: ClusterKeys;
  #host: TopologyHost | undefined;
  #plane: ControlPlaneHost | undefined;

  constructor(directory: string, binaries: string) {
    this.directory = directory;
    this.#binaries = binaries;
    this.#keys = new ClusterKeys(path.join(directory, 'keys'));
  }

  get controlPlane(): ControlPlaneHost {
    if (this.#plane === undefined) throw new Error('the control plane is not there yet');
    return this.#plane;
  }

  async open({ nodes, images }: ClusterOptions): Promise<void> {
    await mkdir(this.#keys.directory);
    await mkdir(path.join(this.directory, 'images'));
    const made = Promise.all([this.#writePauseImage(), images?.(path.join(this.directory, 'images'))]);
    this.topology.addSegment('home');
    const ports = { eth0: { segment: 'home', addresses: [`${apiServerAddress}/24`] } };
    const host = this.topology.addHost('control', ports);
    host.forward();
    this.#host = host;
    await issueControlPlaneKeys(this.#keys);
    const { directory } = this;
    const plane = { namespace: host.namespace, directory, binaries: this.#binaries, keys: this.#keys };
    this.#plane = new ControlPlaneHost(plane);
    await Promise.all([this.#plane.start(), made]);
    for (let index = 1; index <= nodes; index += 1) await this.addNode();
    await this.untilReady(nodes);
  }

  /** Boots one more node. */
  async addNode(): Promise<ClusterNode> {
    const index = this.nodes.length + 1;
    const name = `node-${index}`;
    const user = { user: `system:node:${name}`, groups: ['system:nodes'] };
    const names = `DNS:${name},IP:${nodeAddressOf(index)}`;
    const kubelet = await this.#keys.issueKubeconfig({ name, names, ...user }, clusterServer);
    this.#host?.setRouteTo(podNetworkOf(index), nodeAddressOf(index));
    const node = new ClusterNode({
      name,
      index,
      topology: this.topology,
      disk: path.join(this.directory, name),
      binaries: this.#binaries,
      images: path.join(this.directory, 'images'),
      keys: this.#keys.directory,
      kubeletKubeconfig: kubelet,
      proxyKubeconfig: this.#keys.path('proxy.kubeconfig'),
    });
    this.nodes.push(node);
    await node.boot();
    return node;
  }

  /** Node N, from 1. */
  node(number: number): ClusterNode {
    const node = this.nodes[number - 1];
    if (node === undefined) throw new Error(`there is no node ${number}`);
    return node;
  }

  async untilReady(nodes: number): Promise<void> {
    let last = '';
    for (let tries = 0; tries < 300; tries += 1) {
      last = (await this.tryKubectl('get', 'nodes', '--no-headers')).stdout;
      if (last.split('\n').filter((line) => / Ready\b/.test(line)).length >= nodes) return;
      await sleep(200);
    }
    const logs = await Promise.all(
      this.nodes.map(async (node) => `${node.name}: ${await node.log('kubelet')}`),
    );
    throw new Error(`${nodes} nodes are not Ready:\n${last}\n${logs.join('\n')}`);
  }

  /** One more host on the home's network, at 10.240.0.N. */
  addHost(name: string, lastByte: number): TopologyHost {
    return this.topology.addHost(name, {
      eth0: { segment: 'home', addresses: [`10.240.0.${lastByte}/24`] },
    });
  }

  /** As administrator; throws what kubectl says where it fails. */
  async kubectl(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.tryKubectl(...args);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  async tryKubectl(...args: readonly string[]): Promise<CommandResult> {
    return this.#here(path.join(this.#binaries, 'kubectl'), [
      '--kubeconfig',
      this.#keys.path('admin.kubeconfig'),
      ...args,
    ]);
  }

  async apply(...objects: readonly object[]): Promise<void> {
    const child = this.#here(
      path.join(this.#binaries, 'kubectl'),
      ['--kubeconfig', this.#keys.path('admin.kubeconfig'), 'apply', '--server-side', '--filename', '-'],
      objects.map((object) => JSON.stringify(object)).join('\n---\n'),
    );
    const { code, stderr } = await child;
    if (code !== 0) throw new Error(`kubectl apply: ${stderr}`);
  }

  /** The real helm; throws what it says where it fails. */
  async helm(...args: readonly string[]): Promise<string> {
    const kubeconfig = ['--kubeconfig', this.#keys.path('admin.kubeconfig')];
    const { code, stdout, stderr } = await this.#here(path.join(this.#binaries, 'helm'), [
      ...args,
      ...kubeconfig,
    ]);
    if (code !== 0) throw new Error(`helm ${args.join(' ')}: ${stdout}${stderr}`);
    return stdout;
  }

  get adminKubeconfig(): string {
    return this.#keys.path('admin.kubeconfig');
  }

  /** The control plane's own namespace: from there everything is reached. */
  get namespace(): string {
    if (this.#host === undefined) throw new Error('the control plane is not there yet');
    return this.#host.namespace;
  }

  /** Ends everything, and leaves nothing. */
  async close(): Promise<void> {
    for (const node of this.nodes) await node.powerOff();
    await this.#plane?.stop();
    this.topology[Symbol.dispose]();
    sweepCgroups();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  async #here(command: string, args: readonly string[], stdin = ''): Promise<CommandResult> {
    const home = { HOME: this.directory, PATH: process.env['PATH'] };
    const enter = [`--net=/run/netns/${this.namespace}`, '--', command, ...args];
    const running = run('nsenter', enter, { env: home, maxBuffer: largestOutput });
    running.child.stdin?.end(stdin);
    try {
      return { code: 0, ...(await running) };
    } catch (error) {
      const { code, stdout, stderr } = Object.fromEntries(Object.entries(error ?? {}));
      if (typeof code !== 'number') throw error;
      return { code, stdout: String(stdout), stderr: String(stderr) };
    }
  }

  async #writePauseImage(): Promise<void> {
    const root = path.join(this.directory, 'pause');
    await mkdir(root);
    const env = { ...process.env, CGO_ENABLED: '0' };
    await run('go', ['build', '-trimpath', '-o', path.join(root, 'pause'), '.'], { cwd: pauseProgram, env });
    await writeImage(path.join(this.directory, 'images', 'pause.tar'), {
      reference: 'localhost/pause:1',
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      layers: [root],
      config: { Entrypoint: ['/pause'] },
    });
  }
}

/** Folders and control groups of test processes that are gone; their processes died with them, their networks are swept by name. */
function sweepClusters(): void {
  sweepCgroups();
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${folderPrefix}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      void rm(path.join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}
