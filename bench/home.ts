/** What a benchmark's programs and agents are: a CA and certificates, as texts and as files. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { homingApiVersion } from '../crds/metadata.ts';
import { type Identity, parseIdentity } from '../tls/identity.ts';
import { type TestHome, mintHome } from '../test/support/certificates.ts';

/** A certificate and its key, in PEM. */
export const papers = z.object({ certificatePem: z.string(), keyPem: z.string() });
export type Papers = z.output<typeof papers>;

export function identityOf(texts: Papers): Identity {
  return parseIdentity(texts);
}

/** A folder with a CA that nobody else has; gone in the end. */
export class BenchHome implements AsyncDisposable {
  readonly #home: TestHome;
  readonly folder: string;

  static async open(): Promise<BenchHome> {
    const home = await mintHome();
    const folder = await mkdtemp(join(tmpdir(), 'homing-bench-'));
    await writeFile(join(folder, 'ca.crt'), home.authority.certificatePem);
    return new BenchHome(home, folder);
  }

  constructor(home: TestHome, folder: string) {
    this.#home = home;
    this.folder = folder;
  }

  get anchorsPem(): string {
    return this.#home.authority.certificatePem;
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  async server(name: string): Promise<Identity> {
    return this.#home.server(name);
  }

  /** Clients `bench/c0`, `bench/c1`, …, each with a key of its own. */
  async clients(count: number): Promise<readonly Papers[]> {
    const made: Papers[] = [];
    for (let index = 0; index < count; index += 1)
      made.push(papersOf(await this.#home.client(`bench/c${index}`)));
    return made;
  }

  /** `NAME.crt` and `NAME.key` in a folder below. */
  async write(name: string, { certificatePem, keyPem }: Papers): Promise<void> {
    await writeFile(this.path(`${name}.crt`), certificatePem);
    await writeFile(this.path(`${name}.key`), keyPem, { mode: 0o600 });
  }

  /**
   * Writes an agent's resource file; its certificate is `NAME.crt`, if there is one, and its cameras' are in `certs`.
   *
   * @returns arguments of `homing agent`
   */
  async writeAgent(name: string, resources: readonly object[]): Promise<readonly string[]> {
    const file = this.path(`${name}.yaml`);
    const documents = resources.map((resource) =>
      JSON.stringify({ apiVersion: homingApiVersion, ...resource }),
    );
    await writeFile(file, documents.join('\n---\n'), { mode: 0o600 });
    const place = ['--resources', file, '--name', name, '--state', this.path('state', name)];
    const own = existsSync(this.path(`${name}.crt`))
      ? ['--cert', this.path(`${name}.crt`), '--key', this.path(`${name}.key`)]
      : [];
    const cameras = existsSync(this.path('certs')) ? ['--client-certs', this.path('certs')] : [];
    return [...place, '--trust', this.path('ca.crt'), ...own, ...cameras];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

export function papersOf({ certificatePem, keyPem }: Papers): Papers {
  return { certificatePem, keyPem };
}
