/** A home whose plugs a test pulls: hosts on a bridge, servers and one client as processes on them, one film that they give on. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Identity } from '../../tls/identity.ts';
import { AgentProcess, HomingProcess } from './agent-process.ts';
import { type TestHome, mintHome } from './certificates.ts';
import { type NamespaceHost, type NamespaceNetwork, makeNetwork } from './namespaces.ts';
import { diskVariable } from './power.ts';

const serverNames = ['pi', 'nuc', 'oak'] as const;
export type ServerName = (typeof serverNames)[number];

/** The more features, the better: oak beats nuc, nuc beats pi. */
const features: Readonly<Record<ServerName, readonly string[]>> = {
  pi: ['record'],
  nuc: ['record', 'gpu'],
  oak: ['record', 'gpu', 'npu'],
};
const port = 17_320;
const preload = new URL('disk.ts', import.meta.url).pathname;

/** What ends with the home, however the test ends. */
interface Running {
  kill(): Promise<unknown>;
}

export class PluggableHome implements AsyncDisposable {
  readonly folder: string;
  readonly #certificates: TestHome;
  readonly #network: NamespaceNetwork;
  readonly #running: Running[] = [];

  static async open(): Promise<PluggableHome> {
    const certificates = await mintHome();
    const folder = await mkdtemp(join(tmpdir(), 'homing-plugs-'));
    const home = new PluggableHome(folder, certificates, makeNetwork([...serverNames, 'cam']));
    await writeFile(home.path('ca.crt'), certificates.authority.certificatePem);
    for (const name of serverNames) await home.write(name, await certificates.server(name));
    await home.write('door', await certificates.client('yard/door'));
    return home;
  }

  constructor(folder: string, certificates: TestHome, network: NamespaceNetwork) {
    this.folder = folder;
    this.#certificates = certificates;
    this.#network = network;
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  host(name: ServerName | 'cam'): NamespaceHost {
    const host = this.#network.hosts.find((one) => one.name === name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  }

  address(name: ServerName): string {
    return `${this.host(name).address}:${port}`;
  }

  recordings(name: ServerName): string {
    return this.path('state', name, 'recordings');
  }

  /** Folders of all servers that recorded anything. */
  get allRecordings(): readonly string[] {
    return serverNames.map((name) => this.recordings(name)).filter((path) => existsSync(path));
  }

  get kept(): string {
    return this.path('kept');
  }

  async issueCamera(name: string, options: { readonly id?: string } = {}): Promise<Identity> {
    const identity = await this.#certificates.client(`yard/${name.split('-')[0]}`, options);
    await this.write(name, identity);
    return identity;
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

  /** Starts an agent with a server; resolves when it runs. @param documents further resources in its file */
  async startServer(name: ServerName, documents = ''): Promise<AgentProcess> {
    const disk = this.disk(name);
    await mkdir(disk, { recursive: true });
    const file = this.path(`${name}.yaml`);
    await writeFile(file, serverDocument(name) + documents, { mode: 0o600 });
    const own = ['--resources', file, '--name', name, '--state', this.path('state', name)];
    const agent = this.#owns(
      new AgentProcess([...own, ...this.identity(name)], {
        namespace: this.host(name).namespace,
        variables: { NODE_OPTIONS: `--import=${preload}`, [diskVariable]: disk },
      }),
    );
    await agent.until('started');
    return agent;
  }

  /** The folder of disk.ts for that server. */
  disk(name: ServerName): string {
    return this.path('disk', name);
  }

  /** From now on each flush of that server's disk takes so long. */
  async slowDisk(name: ServerName, milliseconds: number): Promise<void> {
    await writeFile(join(this.disk(name), 'slow'), `${milliseconds}`);
  }

  /** Starts `homing connect` for the camera `door`. @param source a film that is played once, or `test` */
  startClient(source: string, servers: readonly string[], options: ClientOptions = {}): HomingProcess {
    const { identity = 'door', state = 'client', more = [] } = options;
    const args = [
      ...this.identity(identity),
      ...servers.flatMap((server) => ['--server', server]),
      '--source',
      source,
      ...(source === 'test' ? [] : ['--once']),
      '--state',
      this.path(state),
      '--keep-source',
      this.kept,
      ...more,
    ];
    const place = { namespace: this.host('cam').namespace };
    return this.#owns(new HomingProcess('connect', args, undefined, place));
  }

  /** Starts a program of test/support on a host; what it prints first is its port. */
  async startProgram(on: ServerName | 'cam', name: string, ...args: readonly string[]): Promise<Program> {
    const script = new URL(`${name}.ts`, import.meta.url).pathname;
    const { namespace } = this.host(on);
    const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, script, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const program = new Program(child);
    this.#running.push(program);
    await program.open();
    return program;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running.map((running) => running.kill()));
    await this.#network[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }

  #owns<Started extends HomingProcess>(started: Started): Started {
    this.#running.push({ kill: () => started.end('SIGKILL') });
    return started;
  }
}

export interface ClientOptions {
  /** Default `door`. */
  readonly identity?: string;
  /** Its state folder; default `client`. */
  readonly state?: string;
  /** Further options. */
  readonly more?: readonly string[];
}

/** A program that takes commands as lines. */
export class Program implements Running {
  readonly #child: ChildProcess;
  #port = 0;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  get port(): number {
    return this.#port;
  }

  async open(): Promise<void> {
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('the program has no pipes');
    const lines = createInterface({ input: stdout });
    const [line] = await once(lines, 'line', { signal: AbortSignal.timeout(20_000) });
    this.#port = Number(line);
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}

function serverDocument(name: ServerName): string {
  return `apiVersion: homing.dev/v1alpha1
kind: HomeServer
metadata: {name: ${name}}
spec:
  features: [${features[name].join()}]
  sinks: [{name: disk, record: {keepFree: 1Mi}}]
---
`;
}
