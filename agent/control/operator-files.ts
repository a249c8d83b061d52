/**
 * What the operator sent, as files that the agent follows like any others: so a restart without the operator finds all of it.
 *
 *     STATE/operator/resources/snapshot.yaml    secrets.yaml → CREDENTIALS/secrets.yaml
 *     STATE/operator/trust/ca.crt  deny.txt
 *     STATE/operator/certificates/server.{crt,key}  clients/NAME.{crt,key}
 */
import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { HomeServer } from '../../crds/home-server.ts';
import type { TrustTexts } from '../../crds/operator-messages.ts';
import type { RunnableResources } from './operator-resources.ts';

export interface OperatorFiles {
  readonly resources: string;
  readonly trust: string;
  readonly serverCertificate: string;
  readonly serverKey: string;
  readonly clientCertificates: string;
}

/** Where they are in a state folder. */
export function operatorFiles(state: string): OperatorFiles {
  const root = path.join(state, 'operator');
  return {
    resources: path.join(root, 'resources'),
    trust: path.join(root, 'trust'),
    serverCertificate: path.join(root, 'certificates', 'server.crt'),
    serverKey: path.join(root, 'certificates', 'server.key'),
    clientCertificates: path.join(root, 'certificates', 'clients'),
  };
}

/** Makes the folders; credentials lie in a folder of their own, in memory where it is given. */
export async function openOperatorFiles(state: string, credentials: string): Promise<OperatorFiles> {
  const files = operatorFiles(state);
  for (const folder of [files.resources, files.trust, files.clientCertificates, credentials]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  const secrets = path.join(credentials, 'secrets.yaml');
  if ((await readIfThere(secrets)) === undefined) await writeFile(secrets, '', { mode: 0o600 });
  await symlink(secrets, path.join(files.resources, 'secrets.yaml')).catch(ignoreExisting);
  return files;
}

/** Writes the resources of a snapshot; `isCordoned`: its server drains, whatever it says itself. */
export async function writeResources(
  files: OperatorFiles,
  credentials: string,
  { homeServers, cameraClients, secrets }: RunnableResources,
  isCordoned: boolean,
): Promise<void> {
  const servers = isCordoned ? homeServers.map(drained) : homeServers;
  await replaceFile(path.join(credentials, 'secrets.yaml'), documents(secrets));
  await replaceFile(path.join(files.resources, 'snapshot.yaml'), documents([...servers, ...cameraClients]));
}

/** Writes anchors and deny list. */
export async function writeTrust(files: OperatorFiles, { anchorsPem, denyText }: TrustTexts): Promise<void> {
  await replaceFile(path.join(files.trust, 'deny.txt'), denyText);
  await replaceFile(path.join(files.trust, 'ca.crt'), anchorsPem);
}

/** Writes a file whole or not at all, where it says something else. */
export async function replaceFile(file: string, text: string): Promise<void> {
  if ((await readIfThere(file)) === text) return;
  await writeFile(`${file}.new`, text, { mode: 0o600 });
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

function ignoreExisting(error: unknown): void {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  if (code !== 'EEXIST') throw error;
}
