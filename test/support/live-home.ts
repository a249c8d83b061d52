/** A home of agents as processes whose files (resources, certificates, trust) a test changes while they run. */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Identity } from '../../tls/identity.ts';
import type { AgentStatus } from '../../agent/agent.ts';
import { AgentProcess, freePorts, runHoming } from './agent-process.ts';
import { type MintOptions, type TestHome, mintHome } from './certificates.ts';

export interface ServerSpec {
  readonly max?: number;
  readonly features?: readonly string[];
  /** More lines of `spec`, in flow style: `peers: ["…"]`. */
  readonly more?: string;
}

/** Each agent has a folder: its trust, its certificates, its resources, its state. */
export class LiveHome {
  readonly folder: string;
  readonly certificates: TestHome;
  readonly #identities = new Map<string, Identity>();
  readonly #ports = new Map<string, number>();
  readonly #running = new Map<string, AgentProcess>();
  readonly #recordings = new Set<string>();

  static async open(): Promise<LiveHome> {
    return new LiveHome(await mkdtemp(join(tmpdir(), 'homing-live-')), await mintHome());
  }

  private constructor(folder: string, certificates: TestHome) {
    this.folder = folder;
    this.certificates = certificates;
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  portOf(server: string): number {
    return this.#ports.get(server) ?? 0;
  }

  identityOf(name: string): Identity {
    const identity = this.#identities.get(name);
    if (identity === undefined) throw new Error(`nobody is called ${name}`);
    return identity;
  }

  /** Makes the folder of an agent with a server. @param recordings where it records, unless in its folder */
  async addServer(
    name: string,
    spec: ServerSpec = {},
    recordings = this.path(name, 'recordings'),
  ): Promise<void> {
    const [port = 0] = await freePorts(1);
    this.#ports.set(name, port);
    this.#recordings.add(recordings);
    await this.#addAgent(name);
    await this.writeIdentity(name, name, await this.certificates.server(name));
    await this.writeServer(name, spec);
  }

  /** Makes the folder of an agent that only bridges cameras. @param home whose CA signs their certificates */
  async addBridge(name: string, cameras: readonly string[], home = this.certificates): Promise<void> {
    await this.#addAgent(name);
    for (const camera of cameras) {
      await this.writeIdentity(name, camera, await home.client(`default/${camera}`));
    }
    await this.writeCameras(name, cameras);
  }

  async writeServer(name: string, { max = 4, features = ['record'], more = '' }: ServerSpec): Promise<void> {
    const listen = `listen: {port: ${this.portOf(name)}}, announce: {interfaces: [lo]}`;
    const sinks = 'sinks: [{name: disk, record: {keepFree: "1Mi"}}]';
    await this.write(
      name,
      'server.yaml',
      `${headOf('HomeServer', name)}spec: {max: ${max}, features: [${features.join()}], ${listen}, ${sinks}${more === '' ? '' : `, ${more}`}}\n`,
    );
  }

  /** What the bridge bridges; it finds servers by the address of the first that was added. */
  async writeCameras(bridge: string, cameras: readonly string[], spec = ''): Promise<void> {
    const [[first = '', port = 0] = []] = this.#ports;
    const external = `${headOf('HomeServer', first)}spec: {external: {address: "127.0.0.1:${port}"}}\n---\n`;
    const texts = cameras.map(
      (camera) =>
        `${headOf('CameraClient', camera)}spec: {source: {test: {fps: 10, gop: 5}}, bridge: {servers: [${bridge}]}${spec}}\n---\n`,
    );
    await this.write(bridge, 'cameras.yaml', external + texts.join(''));
  }

  /** Puts a whole file into an agent's folder of resources, at once. */
  async write(agent: string, file: string, text: string): Promise<void> {
    await replace(this.path(agent, 'resources', file), text);
  }

  async writeTrust(agent: string, file: 'ca.crt' | 'deny.txt', text: string): Promise<void> {
    await replace(this.path(agent, 'trust', file), text);
  }

  async writeIdentity(agent: string, name: string, identity: Identity): Promise<void> {
    this.#identities.set(name, identity);
    await replace(this.path(agent, 'certs', `${name}.key`), identity.keyPem);
    await replace(this.path(agent, 'certs', `${name}.crt`), identity.certificatePem);
  }

  /** The same key and identifier under a new certificate. */
  async renew(name: string, options: MintOptions = {}): Promise<Identity> {
    const { leaf, keyPem } = this.identityOf(name);
    const same = { ...options, keyPem, id: leaf.id.slice(leaf.id.indexOf(':') + 1) };
    return leaf.role === 'server'
      ? this.certificates.server(leaf.name, same)
      : this.certificates.client(leaf.name, same);
  }

  /** Starts an agent; resolves when it has started. */
  async start(name: string, ...more: readonly string[]): Promise<AgentProcess> {
    const certs = this.path(name, 'certs');
    const own = this.#ports.has(name)
      ? ['--cert', join(certs, `${name}.crt`), '--key', join(certs, `${name}.key`)]
      : ['--client-certs', certs, '--keep-source', this.path('kept')];
    const places = ['--resources', this.path(name, 'resources'), '--trust', this.path(name, 'trust')];
    const state = ['--state', this.path(name), '--name', name];
    const agent = new AgentProcess([...places, ...state, ...own, ...more]);
    this.#running.set(name, agent);
    await agent.until('started');
    return agent;
  }

  async status(name: string): Promise<AgentStatus> {
    const { stdout, stderr } = await runHoming('status', '--state', this.path(name), '--json');
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout);
  }

  /** Ends what still runs, cameras first, and holds every frame that sources gave to be in the recordings. */
  async expectNothingLost(): Promise<void> {
    const isBridge = ([name]: readonly [string, AgentProcess]): boolean => !this.#ports.has(name);
    const running = [...this.#running].toSorted((a, b) => Number(isBridge(b)) - Number(isBridge(a)));
    for (const [, agent] of running) await agent.end('SIGTERM');
    const check = await runHoming('check', this.path('kept'), ...this.#recordings, '--json');
    expect(check.stdout + check.stderr).toContain('"isWhole":true');
    expect(JSON.parse(check.stdout)).toMatchObject({ isWhole: true });
    expect(check.code).toBe(0);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((agent) => agent.end('SIGKILL')));
    await rm(this.folder, { recursive: true, force: true });
  }

  async #addAgent(name: string): Promise<void> {
    for (const part of ['resources', 'certs', 'trust'])
      await mkdir(this.path(name, part), { recursive: true });
    await this.writeTrust(name, 'ca.crt', this.certificates.authority.certificatePem);
  }
}

function headOf(kind: string, name: string): string {
  return `apiVersion: homing.dev/v1alpha1\nkind: ${kind}\nmetadata: {name: ${name}}\n`;
}

/** As an editor or `homing ca` does: never half a file. */
async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
