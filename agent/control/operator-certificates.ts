/**
 * Keys and certificates that an operator issued for this agent, on its own disk: each key is made here and never leaves.
 *
 *     STATE/operator/certificates/own.key  own.crt
 *                                 cameras/NAMESPACE/NAME.key  NAME.crt     every camera that it is a bridge of
 *                                 clients/NAME.key  NAME.crt               links: those that it runs
 */
import { X509Certificate, generateKeyPairSync } from 'node:crypto';
import { mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { createCertificateRequest } from '../../protocol/certificate-requests.ts';
import { verifyLeaf } from '../../protocol/certificates.ts';
import { emptyTrust, type TrustSet } from '../../protocol/trust.ts';
import { parseIdentity, type Identity } from '../../tls/identity.ts';
import { readIfThere, replaceFile } from './operator-files.ts';

/** One certificate that is there. */
export interface HeldCertificate {
  readonly name: string;
  readonly notAfterMs: number;
  /** SHA-256 of the anchor that signed it; empty where that is none of ours. */
  readonly anchorSha256: string;
  /** A third of its life or less is left. */
  readonly isDue: boolean;
}

const renewShare = 1 / 3;

export class OperatorCertificates {
  readonly #root: string;
  /** Of the agent itself: the server's, or the native client's. */
  readonly #own: string;

  constructor(root: string, own: string) {
    this.#root = root;
    this.#own = own;
  }

  get ownCertificate(): string {
    return path.join(this.#root, 'own.crt');
  }

  get ownKey(): string {
    return path.join(this.#root, 'own.key');
  }

  /** What `--client-certs` is to files. */
  get clients(): string {
    return path.join(this.#root, 'clients');
  }

  async open(): Promise<void> {
    await mkdir(this.clients, { recursive: true, mode: 0o700 });
  }

  /** A request for the key of that name, which is made where there is none yet. */
  async request(name: string): Promise<string> {
    return createCertificateRequest(await this.key(name));
  }

  /** The key of that name in PEM; made where there is none. */
  async key(name: string): Promise<string> {
    const file = `${this.#stem(name)}.key`;
    const present = await readIfThere(file);
    if (present !== undefined) return present;
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await replaceFile(file, keyPem);
    return keyPem;
  }

  /** Certificate and key of that name, if they are there and belong together. */
  async identity(name: string): Promise<Identity | undefined> {
    const [certificatePem, keyPem] = await this.#texts(name);
    return certificatePem === undefined ? undefined : read(certificatePem, keyPem, name);
  }

  /** Takes a certificate, if it is one for our key and that name. @returns why not */
  async store(name: string, certificatePem: string): Promise<string | undefined> {
    const keyPem = await readIfThere(`${this.#stem(name)}.key`);
    if (read(certificatePem, keyPem, name) === undefined) {
      return `the operator sent a certificate for ${name} that is not for our key and name`;
    }
    await replaceFile(`${this.#stem(name)}.crt`, certificatePem);
    return undefined;
  }

  /** Of these names, the certificates that are there. */
  async held(
    names: readonly string[],
    trust: TrustSet | undefined,
    nowMs: number,
  ): Promise<readonly HeldCertificate[]> {
    const identities = await Promise.all(names.map(async (name) => this.identity(name)));
    return identities.flatMap((identity) => (identity === undefined ? [] : describe(identity, trust, nowMs)));
  }

  /** Has the cameras of these names run with their certificates. */
  async link(names: readonly string[]): Promise<void> {
    for (const name of names) {
      for (const end of ['key', 'crt']) {
        const target = path.relative(this.clients, `${this.#stem(name)}.${end}`);
        await replaceLink(path.join(this.clients, `${path.basename(name)}.${end}`), target);
      }
    }
  }

  /** Forgets keys and certificates of all cameras but these. */
  async prune(names: readonly string[]): Promise<void> {
    const kept = new Set(names.map((name) => this.#stem(name)));
    const cameras = path.join(this.#root, 'cameras');
    for (const namespace of await readdir(cameras).catch(() => [])) {
      for (const file of await readdir(path.join(cameras, namespace))) {
        const whole = path.join(cameras, namespace, file);
        if (!kept.has(whole.replace(/\.(?:key|crt)$/, ''))) await rm(whole, { force: true });
      }
    }
    for (const file of await readdir(this.clients)) {
      const link = path.join(this.clients, file);
      if ((await readIfThere(link)) === undefined) await rm(link, { force: true });
    }
  }

  async #texts(name: string): Promise<readonly [string | undefined, string | undefined]> {
    return [await readIfThere(`${this.#stem(name)}.crt`), await readIfThere(`${this.#stem(name)}.key`)];
  }

  #stem(name: string): string {
    if (name === this.#own) return path.join(this.#root, 'own');
    const [namespace, ...rest] = name.split('/');
    if (!isPlain(namespace) || rest.length !== 1 || !isPlain(rest[0])) {
      throw new Error(`${JSON.stringify(name)} is no name of a camera`);
    }
    return path.join(this.#root, 'cameras', namespace, rest[0]);
  }
}

/** DNS labels: nothing that leads out of our folder. */
function isPlain(part: string | undefined): part is string {
  return part !== undefined && /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(part) && !part.includes('..');
}

function read(certificatePem: string, keyPem: string | undefined, name: string): Identity | undefined {
  if (keyPem === undefined) return undefined;
  try {
    const identity = parseIdentity({ certificatePem, keyPem });
    return identity.leaf.name === name ? identity : undefined;
  } catch {
    return undefined;
  }
}

function describe(
  { leaf, certificateDer }: Identity,
  trust: TrustSet | undefined,
  nowMs: number,
): HeldCertificate {
  const { validFromDate, validToDate } = new X509Certificate(certificateDer);
  const [fromMs, notAfterMs] = [validFromDate.getTime(), validToDate.getTime()];
  const verdict = verifyLeaf([certificateDer], trust ?? emptyTrust, nowMs);
  return {
    name: leaf.name,
    notAfterMs,
    anchorSha256: verdict.ok ? verdict.value.anchorSha256 : '',
    isDue: notAfterMs - nowMs < (notAfterMs - fromMs) * renewShare,
  };
}

async function replaceLink(link: string, target: string): Promise<void> {
  if ((await readlink(link).catch(() => undefined)) === target) return;
  await rm(`${link}.new`, { force: true });
  await symlink(target, `${link}.new`);
  await rename(`${link}.new`, link);
}
