/** Shared libraries of this machine that programs need, and the Debian packages they come from. */
import { execFile } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

/** Paths as the loader finds them, the loader itself among them, without repetition. */
export async function librariesOf(programs: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const program of programs) {
    const { stdout } = await run('ldd', [program]);
    if (stdout.includes('not found')) throw new Error(`${program}: a library is missing:\n${stdout}`);
    for (const [library] of stdout.matchAll(/(?<=\s)\/[^\s]+(?= \(0x)/g)) found.add(library);
  }
  return [...found].toSorted();
}

/** The packages that own these files; throws for a file that none owns, as nobody could say then what it is. */
export async function packagesOf(files: readonly string[]): Promise<readonly DebianPackage[]> {
  const names = new Set<string>();
  for (const file of files) names.add(await ownerOf(file));
  const format = '${Package}\t${Version}\t${Architecture}\n';
  const { stdout } = await run('dpkg-query', ['-W', '-f', format, ...names]);
  const lines = stdout.trim().split('\n').toSorted();
  return lines.map((line) => {
    const [name = '', version = '', architecture = ''] = line.split('\t');
    return { name, version, architecture };
  });
}

/** Where /lib is a link to /usr/lib, a package may have listed either path. */
async function ownerOf(file: string): Promise<string> {
  const real = await realpath(file);
  const spellings = [file, real, `/usr${file}`, real.replace(/^\/usr/, '')];
  for (const spelling of spellings) {
    const owner = await run('dpkg-query', ['-S', spelling]).catch(() => undefined);
    const [name] = owner?.stdout.split(': ') ?? [];
    if (name !== undefined) return name;
  }
  throw new Error(`${file}: belongs to no Debian package; the image is made on Debian or in its Dockerfile`);
}
