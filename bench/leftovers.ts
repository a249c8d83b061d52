/** Removes the folders of runs that were killed. */
import { readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const prefix = 'homing-bench-';
/** Above what any run takes: another one may be under way. */
const oldMs = 3_600_000;

export async function sweepLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(prefix)) continue;
    const folder = path.join(tmpdir(), name);
    const found = await stat(folder).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > oldMs)
      await rm(folder, { recursive: true, force: true });
  }
}
