/** Removes what control planes of test runs that were killed have left: processes and folders. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const prefix = 'homing-control-plane-';

/** A new folder, named for this process: what a later run takes for left over when this process is gone. */
export async function makePlaneDirectory(): Promise<string> {
  return await mkdtemp(path.join(tmpdir(), `${prefix}${process.pid}-`));
}

/** Ends the processes that name such a folder of a process that is gone, and removes the folder. */
export async function sweepControlPlanes(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(prefix));
  for (const name of names) {
    const [, owner] = /^homing-control-plane-(\d+)-/.exec(name) ?? [];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    const directory = path.join(tmpdir(), name);
    for (const pid of await processesThatName(directory)) endProcess(pid);
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function processesThatName(directory: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found: number[] = [];
  for (const pid of pids) {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    // Only the two that a control plane consists of: a shell or an editor may name the folder too.
    if (/\/(etcd|kube-apiserver)\0/.test(words) && words.includes(`${directory}/`)) found.push(Number(pid));
  }
  return found;
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}
