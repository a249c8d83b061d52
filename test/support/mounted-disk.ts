/** File systems of a test's own that get full, fail, or hang as the test says. Needs root. */
import { spawnSync } from 'node:child_process';
import { mkdir, open, rm, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface MountedDisk {
  /** Where it is mounted. */
  readonly path: string;
  /** Takes all space that is left. */
  fill(): Promise<void>;
  /** Gives it back. */
  empty(): Promise<void>;
  unmount(): void;
}

/** A disk that can hang: whoever writes to it while it is frozen waits, whatever signal comes. */
export interface FreezableDisk extends MountedDisk {
  freeze(): void;
  thaw(): void;
}

const megabyte = 1024 * 1024;

/** In memory; writing to it when it is full is an error at once. */
export async function mountMemory(path: string, megabytes: number): Promise<MountedDisk> {
  await mkdir(path, { recursive: true });
  run('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path);
  const ballast = join(path, 'ballast');
  return {
    path,
    fill: () => writeUntilFull(ballast),
    empty: () => rm(ballast, { force: true }),
    unmount: () => unmount(path),
  };
}

/** A real file system on a loop device, on `image`. */
export async function mountLoop(image: string, path: string, megabytes: number): Promise<FreezableDisk> {
  await mkdir(path, { recursive: true });
  await (await open(image, 'w')).close();
  await truncate(image, megabytes * megabyte);
  // Without a journal a write that fails is that write's failure, and not the end of the file system.
  run('mkfs.ext4', '-q', '-F', '-O', '^has_journal', image);
  run('mount', '-o', 'loop', image, path);
  const ballast = join(path, 'ballast');
  let isFrozen = false;
  const disk: FreezableDisk = {
    path,
    fill: () => writeUntilFull(ballast),
    empty: () => rm(ballast, { force: true }),
    freeze() {
      run('fsfreeze', '--freeze', path);
      isFrozen = true;
    },
    thaw() {
      if (isFrozen) run('fsfreeze', '--unfreeze', path);
      isFrozen = false;
    },
    unmount() {
      disk.thaw();
      unmount(path);
    },
  };
  return disk;
}

/** A disk that fails when `space` is full: its own file has holes, and a write into one finds no room below it. */
export async function mountThin(
  folder: string,
): Promise<{ readonly disk: MountedDisk; readonly space: MountedDisk }> {
  const space = await mountMemory(join(folder, 'space'), 48);
  const disk = await mountLoop(join(space.path, 'image'), join(folder, 'disk'), 256);
  return { disk, space };
}

async function writeUntilFull(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'w');
  try {
    for (const bytes of [megabyte, 4096]) {
      const chunk = Buffer.alloc(bytes, 1);
      while (await isWritten(file.write(chunk)));
    }
  } finally {
    await file.close();
  }
}

async function isWritten(writing: Promise<{ readonly bytesWritten: number }>): Promise<boolean> {
  try {
    return (await writing).bytesWritten > 0;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false;
    throw error;
  }
}

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

/** Also while somebody still has files open there. */
function unmount(path: string): void {
  spawnSync('umount', ['--lazy', path]);
}
