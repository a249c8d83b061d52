/** The packages that the bundle contains, and their licenses: their notices go wherever their code goes. */
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Metafile } from 'esbuild';

export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX expression. */
  readonly license: string;
  readonly directory: string;
}

/** What code of the bundle is from, by folder; throws where one says no version or license. */
export async function bundledPackages(top: string, metafile: Metafile): Promise<readonly BundledPackage[]> {
  const used = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs));
  const directories = new Set(used.flatMap((file) => packageOf(file) ?? []));
  return Promise.all([...directories].toSorted().map((found) => readManifest(path.join(top, found))));
}

/** One section for each package. */
export async function thirdPartyLicenses(top: string, metafile: Metafile): Promise<string> {
  const packages = await bundledPackages(top, metafile);
  return (await Promise.all(packages.map(section))).join('\n');
}

/** `node_modules/a/node_modules/@b/c/lib/d.js` → `node_modules/a/node_modules/@b/c`. */
function packageOf(file: string): string | undefined {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0];
}

async function section({ name, version, license, directory }: BundledPackage): Promise<string> {
  const file = (await readdir(directory)).find((entry) => /^(?:licen[cs]e|copying)/i.test(entry));
  const text = file === undefined ? '' : await readFile(path.join(directory, file), 'utf8');
  const title = `${name} ${version} (${license})`;
  return `${title}\n${'='.repeat(title.length)}\n\n${text.trim()}\n`;
}

async function readManifest(directory: string): Promise<BundledPackage> {
  const manifest: unknown = JSON.parse(await readFile(path.join(directory, 'package.json'), 'utf8'));
  const texts = Object.entries(manifest ?? {}).filter(([, field]) => typeof field === 'string');
  const { name, version, license } = Object.fromEntries(texts);
  if (name === undefined || version === undefined || license === undefined)
    throw new Error(`${directory}/package.json: says no name, version or license`);
  return { name, version, license, directory };
}
