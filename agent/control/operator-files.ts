/**
 * What the operator sent, as files that the agent follows like any others: so a restart without the operator finds all of it.
 *
 *     STATE/operator/snapshot.json               the last one, without credentials
 *                    resources/snapshot.yaml     secrets.yaml → CREDENTIALS/secrets.yaml
 *                    trust/ca.crt  deny.txt  revision
 *                    address                     where the operator was last
 */
import { mkdir, open, readFile, rename, rm, statfs, symlink } from 'node:fs/promises';
import path from 'node:path';
import { ConfigError } from '../../crds/config-error.ts';
import type { HomeServer } from '../../crds/home-server.ts';
import { snapshot as snapshotMessage, type Snapshot } from '../../crds/operator-messages.ts';
import type { RunnableResources } from './operator-resources.ts';

/** A snapshot as it lies on the disk. */
type StoredSnapshot = Omit<Snapshot, 'secrets' | 'trust'>;

const stored = snapshotMessage.omit({ secrets: true, trust: true });

/** From linux/magic.h: file systems in memory. */
const memoryTypes: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

export class OperatorFiles {
  /** `STATE/operator`. */
  readonly root: string;
  readonly #credentials: string | undefined;

  /** @param credentials folder in memory for cameras' passwords; none: they are not kept */
  constructor(state: string, credentials: string | undefined) {
    this.root = path.join(state, 'operator');
    this.#credentials = credentials;
  }

  get resources(): string {
    return path.join(this.root, 'resources');
  }

  get trust(): string {
    return path.join(this.root, 'trust');
  }

  get certificates(): string {
    return path.join(this.root, 'certificates');
  }

  /** @throws ConfigError where the credentials would be on a disk */
  async open(): Promise<void> {
    for (const folder of [this.root, this.resources, this.trust]) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
    }
    const link = path.join(this.resources, 'secrets.yaml');
    await rm(link, { force: true });
    if (this.#credentials === undefined) return;
    await mkdir(this.#credentials, { recursive: true, mode: 0o700 });
    const { type } = await statfs(this.#credentials);
    if (!memoryTypes.has(type)) {
      throw new ConfigError({
        file: this.#credentials,
        message:
          'is on a disk: --credentials-dir must be in memory (tmpfs), as passwords of cameras must not stay',
      });
    }
    if ((await readIfThere(this.#secrets)) === undefined) await replaceFile(this.#secrets, '');
    await symlink(path.resolve(this.#secrets), link);
  }

  /** The last snapshot; without credentials where their memory is gone. */
  async readSnapshot(): Promise<Snapshot | undefined> {
    const text = await readIfThere(path.join(this.root, 'snapshot.json'));
    const parsed = text === undefined ? undefined : stored.safeParse(parseJson(text)).data;
    if (parsed === undefined) return undefined;
    const secrets = this.#credentials === undefined ? '' : ((await readIfThere(this.#secrets)) ?? '');
    const lines = secrets.split('\n').filter((line) => line.startsWith('{'));
    const trust = { revision: 0, anchorsPem: '', denyText: '' };
    return { ...parsed, secrets: lines.map(parseJson), trust };
  }

  async writeSnapshot(snapshot: Snapshot): Promise<void> {
    const { kind, revision, homeServers, cameraClients, isCordoned } = snapshot;
    const kept: StoredSnapshot = { kind, revision, homeServers, cameraClients, isCordoned };
    await replaceFile(path.join(this.root, 'snapshot.json'), JSON.stringify(kept));
  }

  /** Has the agent run these from now on; `isCordoned`: its server drains, whatever it says itself. */
  async writeResources(
    { homeServers, cameraClients, secrets }: RunnableResources,
    isCordoned: boolean,
  ): Promise<void> {
    const servers = isCordoned ? homeServers.map(drained) : homeServers;
    if (this.#credentials !== undefined) await replaceFile(this.#secrets, documents(secrets));
    await replaceFile(path.join(this.resources, 'snapshot.yaml'), documents([...servers, ...cameraClients]));
  }

  async readAddress(): Promise<string | undefined> {
    return readIfThere(path.join(this.root, 'address'));
  }

  async writeAddress(address: string): Promise<void> {
    await replaceFile(path.join(this.root, 'address'), `${address}\n`);
  }

  get #secrets(): string {
    return path.join(this.#credentials ?? '', 'secrets.yaml');
  }
}

/** Writes a file whole or not at all, whatever is killed when; where it says the same already, nothing. */
export async function replaceFile(file: string, text: string): Promise<void> {
  if ((await readIfThere(file)) === text) return;
  {
    await using fresh = await open(`${file}.new`, 'w', 0o600);
    await fresh.writeFile(text);
    await fresh.datasync();
  }
  await rename(`${file}.new`, file);
}

/** A file's text; undefined where it is not there. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    return undefined;
  }
}

function documents(resources: readonly unknown[]): string {
  return resources.map((resource) => `---\n${JSON.stringify(resource)}\n`).join('');
}

function drained(server: HomeServer): HomeServer {
  return { ...server, spec: { ...server.spec, drain: 'Now' } };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
