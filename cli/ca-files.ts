/** The files of a CA and of what it issues: never overwritten but for a certificate that is renewed. */
import { type KeyObject, createPrivateKey } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ConfigError } from '../crds/config-error.ts';
import { hashBytes } from '../protocol/certificate-parsing.ts';
import { isStrongKey, spkiOf } from '../protocol/certificate-signature.ts';
import { readOwnLeaf } from '../protocol/certificates.ts';
import type { KeyedCertificate } from '../protocol/issuing.ts';
import { parsePem } from '../protocol/pem.ts';
import type { Leaf } from '../protocol/trust.ts';
import { type Anchor, parseAnchors } from '../protocol/anchors.ts';

/** Writes `ca.crt` and `ca.key`. @throws ConfigError where one of them is there */
export async function writeAuthority(folder: string, authority: KeyedCertificate): Promise<void> {
  const [certificate, key] = authorityFiles(folder);
  await mkdir(folder, { recursive: true });
  await writeNew(key, authority.keyPem, 0o600);
  try {
    await writeNew(certificate, authority.certificatePem, 0o644);
  } catch (error) {
    await rm(key);
    throw error;
  }
}

/** @throws ConfigError where it cannot be read, or is no CA that signs certificates of ours */
export async function readAuthority(folder: string): Promise<KeyedCertificate & { readonly anchor: Anchor }> {
  const [file, keyFile] = authorityFiles(folder);
  const [certificatePem, keyPem] = await Promise.all([readIfThere(file), readIfThere(keyFile)]);
  if (certificatePem === undefined) {
    throw new ConfigError({ file, message: `is not there: make a CA with homing ca init --out ${folder}` });
  }
  if (keyPem === undefined)
    throw new ConfigError({ file: keyFile, message: 'the key of the CA is not there' });
  const anchors = parseAnchors(certificatePem);
  if (!anchors.ok) throw new ConfigError({ file, message: `${anchors.detail} (${anchors.reason})` });
  const [anchor, ...others] = anchors.value;
  if (anchor === undefined || others.length > 0 || hashKey(keyPem, keyFile) !== anchor.spkiSha256) {
    throw new ConfigError({ file, message: `must hold exactly one CA certificate, the one of ${keyFile}` });
  }
  return { certificatePem, keyPem, anchor };
}

/** What an earlier `ca issue` left. */
export interface EarlierLeaf {
  readonly leaf: Leaf | undefined;
  readonly keyPem: string | undefined;
}

/** @throws ConfigError where the certificate is there but is none of ours */
export async function readEarlierLeaf(folder: string, fileName: string): Promise<EarlierLeaf> {
  const [file, keyFile] = leafFiles(folder, fileName);
  const [certificatePem, keyPem] = await Promise.all([readIfThere(file), readIfThere(keyFile)]);
  if (keyPem !== undefined) hashKey(keyPem, keyFile);
  if (certificatePem === undefined) return { leaf: undefined, keyPem };
  const blocks = parsePem(certificatePem);
  const [block] = blocks.ok ? blocks.value : [];
  const leaf = readOwnLeaf(block?.der ?? new Uint8Array());
  if (leaf.ok) return { leaf: leaf.value, keyPem };
  throw new ConfigError({
    file,
    message: `is there, but is no certificate of Homing's (${leaf.detail}); move it away or choose another --out`,
  });
}

/** Writes the key unless it is there, and replaces the certificate at once and whole. */
export async function writeLeaf(
  folder: string,
  fileName: string,
  issued: KeyedCertificate & { readonly isKeyKept: boolean },
): Promise<void> {
  const [file, keyFile] = leafFiles(folder, fileName);
  await mkdir(folder, { recursive: true });
  if (!issued.isKeyKept) await writeNew(keyFile, issued.keyPem, 0o600);
  const next = `${file}.${process.pid}.new`;
  await writeFile(next, issued.certificatePem, { mode: 0o644 });
  await rename(next, file);
}

export function authorityFiles(folder: string): readonly [certificate: string, key: string] {
  return [path.join(folder, 'ca.crt'), path.join(folder, 'ca.key')];
}

export function leafFiles(folder: string, fileName: string): readonly [certificate: string, key: string] {
  return [path.join(folder, `${fileName}.crt`), path.join(folder, `${fileName}.key`)];
}

/** SHA-256 of the public half. @throws ConfigError where it is no key that certificates of ours may have */
function hashKey(keyPem: string, file: string): string {
  const key = readPrivateKey(keyPem);
  if (key !== undefined && isStrongKey(key)) return hashBytes(spkiOf(key));
  const message = 'is there, but is no private key in PEM of P-256, P-384 or RSA of 2048 to 4096 bits';
  throw new ConfigError({ file, message });
}

function readPrivateKey(keyPem: string): KeyObject | undefined {
  try {
    return createPrivateKey(keyPem);
  } catch {
    // It is the file's fault, and its content is nothing to show.
    return undefined;
  }
}

async function writeNew(file: string, text: string, mode: number): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx', mode });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    throw new ConfigError(
      { file, message: 'is there already and is never overwritten: choose another --out' },
      { cause: error },
    );
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new ConfigError({ file, message: `cannot be read: ${codeOf(error)}` }, { cause: error });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
