/** Homing itself as it lies in the image and in the published package: the bundle, and what starts it. */
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Metafile } from 'esbuild';
import { bundle } from './bundle.ts';

/** Where Homing is in the image. */
export const home = '/opt/homing';

/** The same program by hand, as in `kubectl exec`: the kernel starts Node, as the image has no shell. */
const stub = `#!${home}/bin/node
import '../dist/homing.js';
`;

/** Fills `directory` with what the image has under /opt/homing, but Node; tells what the bundle is made of. */
export async function stageApplication(top: string, directory: string): Promise<Metafile> {
  await mkdir(path.join(directory, 'bin'), { recursive: true });
  const metafile = await bundle(path.join(directory, 'dist'));
  await writeFile(path.join(directory, 'bin/homing'), stub);
  await chmod(path.join(directory, 'bin/homing'), 0o755);
  await writeFile(path.join(directory, 'package.json'), '{ "type": "module" }\n');
  await copyFile(path.join(top, 'LICENSE'), path.join(directory, 'LICENSE'));
  return metafile;
}

/**
 * Fills `directory` with the npm package: the bundle holds everything, so it depends on nothing but Node itself.
 */
export async function stagePackage(top: string, directory: string): Promise<void> {
  await mkdir(path.join(directory, 'bin'), { recursive: true });
  await bundle(path.join(directory, 'dist'));
  for (const file of ['bin/homing', 'LICENSE', 'README.md', 'CHANGELOG.md'])
    await copyFile(path.join(top, file), path.join(directory, file));
  const manifest: unknown = JSON.parse(await readFile(path.join(top, 'package.json'), 'utf8'));
  const kept = Object.entries(manifest ?? {}).filter(([field]) => publishedFields.has(field));
  await writeFile(
    path.join(directory, 'package.json'),
    `${JSON.stringify(Object.fromEntries(kept), undefined, 2)}\n`,
  );
}

const publishedFields: ReadonlySet<string> = new Set([
  'name',
  'version',
  'description',
  'license',
  'bin',
  'type',
  'optionalDependencies',
  'engines',
]);
