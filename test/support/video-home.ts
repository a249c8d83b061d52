/** A home on this machine for tests with real video: agents as processes, found by multicast on `lo`, and what they recorded. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Identity } from '../../tls/identity.ts';
import { AgentProcess, freePorts, type HomingProcess } from './agent-process.ts';
import { type TestHome, mintHome } from './certificates.ts';
import { joinRecordings } from './join-recordings.ts';

/** Everything of it is below `folder`; `close` ends what was started and deletes it. */
export class VideoHome {
  readonly folder: string;
  readonly #certificates: TestHome;
  readonly #running: HomingProcess[] = [];

  static async open(): Promise<VideoHome> {
    const home = new VideoHome(await mkdtemp(join(tmpdir(), 'homing-video-')), await mintHome());
    await writeFile(home.path('ca.crt'), home.#certificates.authority.certificatePem);
    return home;
  }

  constructor(folder: string, certificates: TestHome) {
    this.folder = folder;
    this.#certificates = certificates;
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** What the camera `name` gave, byte for byte, by `--keep-source`. */
  get kept(): string {
    return this.path('kept');
  }

  recordings(server: string): string {
    return this.path('state', server, 'recordings');
  }

  async issueServer(name: string): Promise<void> {
    await this.#write(name, await this.#certificates.server(name));
  }

  /** @param name of namespace `yard` */
  async issueCamera(name: string): Promise<void> {
    await this.#write(name, await this.#certificates.client(`yard/${name}`));
  }

  /** Options of a command that say who it is. */
  identity(name: string): readonly string[] {
    const own = ['--cert', this.path(`${name}.crt`), '--key', this.path(`${name}.key`)];
    return ['--trust', this.path('ca.crt'), ...own];
  }

  /** Starts an agent with a server; resolves with its port when it runs. */
  async startServer({
    name,
    features,
    documents = '',
    more = [],
  }: ServerToStart): Promise<{ readonly agent: AgentProcess; readonly address: string }> {
    const [port = 0] = await freePorts(1);
    const file = this.path(`${name}.yaml`);
    await writeFile(file, serverDocument(name, port, features) + documents, { mode: 0o600 });
    const own = ['--resources', file, '--name', name, '--state', this.path('state', name)];
    const agent = this.owns(new AgentProcess([...own, ...this.identity(name), ...more]));
    await agent.until('started');
    return { agent, address: `127.0.0.1:${port}` };
  }

  /** Ends it with the home, however the test ends. */
  owns<Started extends HomingProcess>(started: Started): Started {
    this.#running.push(started);
    return started;
  }

  /** Joins all that the servers recorded of the only term, and puts it into a file. */
  async join(servers: readonly string[]): Promise<JoinedFile> {
    const [reference = '', ...others] = await filesBelow(this.kept);
    if (others.length > 0) throw new Error(`more than one term was given: ${others.join()}`);
    const term = Number(basename(reference).split('-')[0]);
    const folders = servers.map((server) => this.recordings(server));
    const { first, bytes, notes, problems } = await joinRecordings(folders, term);
    const path = this.path('joined.ts');
    await writeFile(path, bytes);
    return { reference, path, bytes, first, notes: [...notes, ...problems] };
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.map((running) => running.end('SIGKILL')));
    await rm(this.folder, { recursive: true, force: true });
  }

  async #write(name: string, { certificatePem, keyPem }: Identity): Promise<void> {
    await writeFile(this.path(`${name}.crt`), certificatePem);
    await writeFile(this.path(`${name}.key`), keyPem, { mode: 0o600 });
  }
}

export interface ServerToStart {
  readonly name: string;
  /** More of them win. */
  readonly features: readonly string[];
  /** Further resources in its file. */
  readonly documents?: string;
  readonly more?: readonly string[];
}

export interface JoinedFile {
  /** Of `--keep-source`. */
  readonly reference: string;
  readonly path: string;
  readonly bytes: Buffer;
  /** The offset of its first byte. */
  readonly first: number | undefined;
  /** Holes, overlaps, and what is wrong with the recordings. */
  readonly notes: readonly string[];
}

function serverDocument(name: string, port: number, features: readonly string[]): string {
  return `apiVersion: homing.dev/v1alpha1
kind: HomeServer
metadata: {name: ${name}}
spec: {features: [${features.join()}], listen: {port: ${port}}, announce: {interfaces: [lo]}}
---
`;
}

/** Transport streams below a folder, in order of their offsets. */
export async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.ts'));
  const offsetOf = (name: string): number => Number(name.split(/[-.]/)[1]);
  return found
    .toSorted((a, b) => offsetOf(a.name) - offsetOf(b.name))
    .map(({ parentPath, name }) => join(parentPath, name));
}

/** All text below a folder, for what must not be in it. */
export async function textBelow(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const texts = files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'latin1'));
  return (await Promise.all(texts)).join('\n');
}
