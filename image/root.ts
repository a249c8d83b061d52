/** The image's file system, as two folders: `base` (Node, ffmpeg, libraries), which seldom changes, and `app` (Homing). */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { librariesOf, packagesOf } from './libraries.ts';
import { type Part, prepareParts } from './parts.ts';
import { materialsOf, writeMaterials } from './sbom.ts';
import { home, stageApplication } from './stage.ts';

const run = promisify(execFile);

/** User and group of everything in a container; nothing in the image belongs to it. */
export const containerUser = 65_532;

export interface RootFolders {
  readonly base: string;
  readonly app: string;
}

/** Fills `directory`/base and `directory`/app, for the machine's own architecture. */
export async function assembleRoot(top: string, directory: string): Promise<RootFolders> {
  const folders = { base: path.join(directory, 'base'), app: path.join(directory, 'app') };
  const metafile = await stageApplication(top, path.join(folders.app, home));
  await link('../../opt/homing/bin/homing', path.join(folders.app, 'usr/bin/homing'));

  const parts = await prepareParts(top);
  const node = path.join(folders.base, home, 'bin/node');
  await copy(process.execPath, node, 0o755);
  // Its symbols are a seventh of the image, and nobody runs a debugger in there.
  await run('strip', [node]);
  for (const part of parts) await addPart(folders.base, part);
  const programs = [node, ...parts.filter(({ name }) => name === 'ffmpeg').map(({ program }) => program)];
  const libraries = await librariesOf(programs);
  for (const library of libraries) await copy(library, path.join(folders.base, library), 0o755);
  await copy(authorities, path.join(folders.base, authorities), 0o644);
  await addSettings(folders.base);

  const packages = await packagesOf([...libraries, '/usr/sbin/update-ca-certificates']);
  for (const { name } of packages) await addCopyright(folders.base, name, `/usr/share/doc/${name}/copyright`);
  await writeMaterials(path.join(folders.app, home), await materialsOf({ top, metafile, parts, packages }));
  return folders;
}

const authorities = '/etc/ssl/certs/ca-certificates.crt';

async function addPart(base: string, { name, program, copyright }: Part): Promise<void> {
  await copy(program, path.join(base, 'usr/bin', name), 0o755);
  await addCopyright(base, name, copyright);
}

async function addCopyright(base: string, name: string, file: string): Promise<void> {
  await copy(file, path.join(base, 'usr/share/doc', name, 'copyright'), 0o644);
}

/** What the C library asks for: who runs, and where names are looked up. */
async function addSettings(base: string): Promise<void> {
  const etc = path.join(base, 'etc');
  const user = `homing:x:${containerUser}:${containerUser}:Homing:/:/nonexistent\n`;
  await writeFile(path.join(etc, 'passwd'), `root:x:0:0:root:/:/nonexistent\n${user}`);
  await writeFile(path.join(etc, 'group'), `root:x:0:\nhoming:x:${containerUser}:\n`);
  await writeFile(path.join(etc, 'nsswitch.conf'), 'hosts: files dns\n');
  const temporary = path.join(base, 'tmp');
  await mkdir(temporary);
  await chmod(temporary, 0o1777);
}

async function copy(from: string, to: string, mode: number): Promise<void> {
  await mkdir(path.dirname(to), { recursive: true });
  await copyFile(from, to);
  await chmod(to, mode);
}

async function link(target: string, file: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await symlink(target, file);
}
