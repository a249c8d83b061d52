/** A home on networks of any shape: agents and one camera as processes on their hosts, and what was recorded of the camera. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Identity } from '../../tls/identity.ts';
import { type CheckReport, checkRecordings } from '../../cli/check-recordings.ts';
import { AgentProcess, HomingProcess } from './agent-process.ts';
import { type TestHome, mintHome } from './certificates.ts';
import { type PortPlan, Topology, type TopologyHost } from './topology.ts';

const homingPath = new URL('../../bin/homing', import.meta.url).pathname;

export interface ServerPlan {
  /** More of them win. */
  readonly features: readonly string[];
  /** More of its HomeServer's spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

export class NetworkedHome implements AsyncDisposable {
  readonly topology = new Topology();
  readonly folder: string;
  readonly certificates: TestHome;
  readonly #running: { kill(): Promise<unknown> }[] = [];
  readonly #servers: string[] = [];

  static async open(segments: readonly string[]): Promise<NetworkedHome> {
    const home = new NetworkedHome(await mkdtemp(join(tmpdir(), 'homing-networks-')), await mintHome());
    await writeFile(home.path('ca.crt'), home.certificates.authority.certificatePem);
    for (const segment of segments) home.topology.addSegment(segment);
    return home;
  }

  constructor(folder: string, certificates: TestHome) {
    this.folder = folder;
    this.certificates = certificates;
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  addHost(name: string, ports: Readonly<Record<string, PortPlan>>): TopologyHost {
    return this.topology.addHost(name, ports);
  }

  /** Starts an agent with a server; resolves when it runs. */
  async startServer(
    name: string,
    host: TopologyHost,
    { features, spec = {} }: ServerPlan,
  ): Promise<AgentProcess> {
    if (!this.#servers.includes(name)) {
      this.#servers.push(name);
      await this.write(name, await this.certificates.server(name));
    }
    const sinks = [{ name: 'disk', record: { keepFree: '1Mi' } }];
    const resource = {
      apiVersion: 'homing.dev/v1alpha1',
      kind: 'HomeServer',
      metadata: { name },
      spec: { features, sinks, ...spec },
    };
    await writeFile(this.path(`${name}.json`), JSON.stringify(resource));
    const own = [
      '--resources',
      this.path(`${name}.json`),
      '--name',
      name,
      '--state',
      this.path('state', name),
    ];
    const agent = this.owns(new AgentProcess([...own, ...this.identity(name)], host));
    await agent.until('started');
    return agent;
  }

  /** Announces a server by hand, four times a second; nobody is at its address. */
  async startAnnouncing(name: string, { namespace }: TopologyHost, address: string): Promise<void> {
    await this.write(name, await this.certificates.server(name));
    const says = '--features record --connected 0 --max 1 --count 1000'.split(' ');
    const own = ['--cert', this.path(`${name}.crt`), '--key', this.path(`${name}.key`), '--address', address];
    this.ends(startIn(namespace, homingPath, ['announce', ...own, ...says]));
  }

  /** Starts the camera `yard/door`, a test picture. @param where `--discover`, or servers */
  async startCamera(host: TopologyHost, where: readonly string[]): Promise<HomingProcess> {
    await this.write('door', await this.certificates.client('yard/door'));
    const source = [
      '--source',
      'test',
      '--keep-source',
      this.path('kept'),
      '--state',
      this.path('state', 'door'),
    ];
    return this.owns(
      new HomingProcess('connect', [...this.identity('door'), ...where, ...source], undefined, host),
    );
  }

  /** Ends the camera, whose last bytes are made safe, and compares all that it gave with all that was recorded. */
  async finish(camera: HomingProcess): Promise<CheckReport> {
    await camera.end('SIGTERM');
    const recordings = this.#servers.map((name) => this.path('state', name, 'recordings'));
    return checkRecordings({ reference: this.path('kept'), recordings });
  }

  async write(name: string, { certificatePem, keyPem }: Identity): Promise<void> {
    await writeFile(this.path(`${name}.crt`), certificatePem);
    await writeFile(this.path(`${name}.key`), keyPem, { mode: 0o600 });
  }

  /** Options of a command that say who it is. */
  identity(name: string): readonly string[] {
    const own = ['--cert', this.path(`${name}.crt`), '--key', this.path(`${name}.key`)];
    return ['--trust', this.path('ca.crt'), ...own];
  }

  owns<Started extends HomingProcess>(started: Started): Started {
    this.ends(() => started.end('SIGKILL'));
    return started;
  }

  /** Calls it with the home's end, however the test ends. */
  ends(kill: () => Promise<unknown>): void {
    this.#running.push({ kill });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running.map((running) => running.kill()));
    this.topology[Symbol.dispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Starts a command on a host. @returns what ends it */
function startIn(namespace: string, command: string, args: readonly string[]): () => Promise<void> {
  // `ip netns exec` becomes the command itself, so that the child's id is the command's.
  const child = spawn('ip', ['netns', 'exec', namespace, command, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const closed = once(child, 'close');
  return async () => {
    child.kill('SIGKILL');
    await closed;
  };
}
