/** Control groups of a test cluster's nodes: one tree a node in every hierarchy, named after this process so that a sweep finds what died. */
import { existsSync, readFileSync, readdirSync, rmdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

const top = '/sys/fs/cgroup';
const prefix = 'homing-test-';

/** The node's cgroup below the top of each hierarchy. */
export function nodeCgroup(node: string): string {
  return `${prefix}${process.pid}-${node}`;
}

/** Makes the node's groups. A kubelet does not make its own root, and version 1's cpuset holds nobody until it is filled. */
export async function prepareCgroups(node: string): Promise<void> {
  for (const hierarchy of hierarchies()) {
    await mkdir(path.join(hierarchy, nodeCgroup(node)), { recursive: true });
  }
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const from = path.join(top, 'cpuset', file);
    if (existsSync(from)) {
      await writeFile(path.join(top, 'cpuset', nodeCgroup(node), file), readFileSync(from));
    }
  }
}

/** Removes the groups of this process, and those of processes that are gone. Nothing may run in them any more. */
export function sweepCgroups(): void {
  for (const hierarchy of hierarchies()) {
    for (const name of readdirSync(hierarchy)) {
      const pid = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1] ?? Number.NaN);
      if (pid === process.pid || (Number.isInteger(pid) && !existsSync(`/proc/${pid}`))) {
        removeTree(path.join(hierarchy, name));
      }
    }
  }
}

function removeTree(group: string): void {
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(path.join(group, entry.name));
  }
  // A process that was killed a moment ago may still be in it: the next sweep takes it.
  try {
    rmdirSync(group);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EBUSY')) throw error;
  }
}

/** One folder a hierarchy with version 1, the only one with version 2. */
function hierarchies(): readonly string[] {
  if (existsSync(path.join(top, 'cgroup.controllers'))) return [top];
  return readdirSync(top, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => path.join(top, name));
}
