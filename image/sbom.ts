/** The bill of materials (CycloneDX 1.6): what is really in the image, not what was installed to build it. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Metafile } from 'esbuild';
import type { DebianPackage } from './libraries.ts';
import { bundledPackages } from './licenses.ts';
import type { Part } from './parts.ts';

export interface Material {
  readonly type: 'library' | 'application';
  readonly name: string;
  readonly version: string;
  /** Package URL, by which advisories are looked up. */
  readonly purl: string;
  readonly license?: string;
}

interface Contents {
  readonly top: string;
  readonly metafile: Metafile;
  readonly parts: readonly Part[];
  readonly packages: readonly DebianPackage[];
}

/** Each npm package in the bundle, Node, and each Debian package that a file in the image is from. */
export async function materialsOf({
  top,
  metafile,
  parts,
  packages,
}: Contents): Promise<readonly Material[]> {
  const bundled = await bundledPackages(top, metafile);
  const { codename, architecture } = await debianNames(packages);
  const debian = (name: string, version: string): string =>
    `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}&distro=${codename}`;
  return [
    ...bundled.map(({ name, version, license }) => {
      const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
      return { type: 'library', name, version, purl, license } as const;
    }),
    nodeItself(),
    ...parts.map(({ name, version }) => {
      return { type: 'application', name, version, purl: debian(name, version) } as const;
    }),
    ...packages.map(({ name, version }) => {
      return { type: 'library', name, version, purl: debian(name, version) } as const;
    }),
  ];
}

/** Writes `sbom.cdx.json` into `directory`; the same contents give the same bytes. */
export async function writeMaterials(directory: string, materials: readonly Material[]): Promise<void> {
  const components = materials.map(({ license, ...component }) => ({
    'bom-ref': component.purl,
    ...component,
    ...(license === undefined ? {} : { licenses: [{ expression: license.replace(/^\((.*)\)$/, '$1') }] }),
  }));
  const bill = { bomFormat: 'CycloneDX', specVersion: '1.6', version: 1, components };
  await writeFile(path.join(directory, 'sbom.cdx.json'), `${JSON.stringify(bill, undefined, 1)}\n`);
}

function nodeItself(): Material {
  const version = process.versions.node;
  return { type: 'application', name: 'node', version, purl: `pkg:generic/node@${version}`, license: 'MIT' };
}

async function debianNames(packages: readonly DebianPackage[]) {
  const release = await readFile('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1] ?? 'unknown';
  const architecture = packages.find((found) => found.architecture !== 'all')?.architecture ?? 'unknown';
  return { codename, architecture };
}
