/** What the image has beside Homing that must be built or fetched: ffmpeg and tini, once, kept under build/. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Part {
  readonly name: 'ffmpeg' | 'tini';
  /** Of the Debian package that it is or is made of. */
  readonly version: string;
  readonly program: string;
  readonly copyright: string;
}

/** Builds or fetches what is not under build/ yet; needs Debian, a network and for ffmpeg half a minute. */
export async function prepareParts(top: string): Promise<readonly Part[]> {
  const script = await readFile(path.join(top, 'image/ffmpeg'));
  const key = createHash('sha256').update(script).update(process.arch).digest('hex').slice(0, 12);
  const directory = path.join(top, 'build/image', `parts-${key}`);
  await once(path.join(directory, 'ffmpeg'), async (out) => {
    await run(path.join(top, 'image/ffmpeg'), [out]);
  });
  await once(path.join(directory, 'tini'), fetchTini);
  return [await part(directory, 'ffmpeg'), await part(directory, 'tini')];
}

/** Makes `directory` whole or not at all, also when two do it at a time. */
async function once(directory: string, fill: (out: string) => Promise<void>): Promise<void> {
  if (await isThere(directory)) return;
  await mkdir(path.dirname(directory), { recursive: true });
  const out = await mkdtemp(`${directory}-`);
  try {
    await fill(out);
    await rename(out, directory);
  } catch (error) {
    await rm(out, { recursive: true, force: true });
    if (!(await isThere(directory))) throw error;
  }
}

/** The one that is linked statically, out of Debian's package, which is not installed for it. */
async function fetchTini(out: string): Promise<void> {
  await run('apt-get', ['download', 'tini', '-o', 'APT::Sandbox::User=root'], { cwd: out });
  const [file = ''] = (await readdir(out)).filter((name) => name.endsWith('.deb'));
  await run('dpkg-deb', ['-x', file, 'package'], { cwd: out });
  await rename(path.join(out, 'package/usr/bin/tini-static'), path.join(out, 'tini'));
  await rename(path.join(out, 'package/usr/share/doc/tini/copyright'), path.join(out, 'copyright'));
  const { stdout } = await run('dpkg-deb', ['-f', file, 'Version'], { cwd: out });
  await writeFile(path.join(out, 'version'), stdout);
  await rm(path.join(out, file));
  await rm(path.join(out, 'package'), { recursive: true });
}

async function part(parts: string, name: Part['name']): Promise<Part> {
  const directory = path.join(parts, name);
  const version = (await readFile(path.join(directory, 'version'), 'utf8')).trim();
  return {
    name,
    version,
    program: path.join(directory, name),
    copyright: path.join(directory, 'copyright'),
  };
}

async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
