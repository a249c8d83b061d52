/**
 * Comes before `homing` in its own process (`node --import`), and makes the disk that it writes to as slow as the file
 * `FOLDER/slow` says, in milliseconds a flush. It notes in `FOLDER/flushed` what a flush made safe, and only that is left
 * of a machine that lost its power: the kernel's memory is lost too, which killing a process does not show.
 */
import { appendFileSync, fstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { diskVariable } from './power.ts';

const folder = process.env[diskVariable];
if (folder !== undefined) await slowDown(folder);

async function slowDown(own: string): Promise<void> {
  const handle = await open(own);
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  await handle.close();
  for (const name of ['sync', 'datasync'] as const) {
    const flush = prototype[name];
    prototype[name] = async function flushSlowly(this: FileHandle) {
      await delay(slownessOf(own));
      const line = describe(this.fd);
      await flush.call(this);
      appendFileSync(join(own, 'flushed'), line);
    };
  }
}

/** Before the flush: what is written while it runs may not be in it. */
function describe(fd: number): string {
  const path = readlinkSync(`/proc/self/fd/${fd}`);
  const stat = fstatSync(fd);
  return `${JSON.stringify(stat.isDirectory() ? { path, names: readdirSync(path) } : { path, bytes: stat.size })}\n`;
}

function slownessOf(own: string): number {
  try {
    return Number(readFileSync(join(own, 'slow'), 'utf8'));
  } catch {
    return 0;
  }
}
