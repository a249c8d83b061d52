/** What a machine has on its disk after its power was lost: what was flushed, nothing else. */
import { existsSync, readFileSync } from 'node:fs';
import { readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** The variable that says where disk.ts reads and notes. */
export const diskVariable = 'HOMING_TEST_DISK';

const flushed = z.union([
  z.object({ path: z.string(), bytes: z.number() }),
  z.object({ path: z.string(), names: z.array(z.string()) }),
]);

/**
 * Cuts every file below `recordings` back to its last flush, and deletes those whose name was not flushed with its folder.
 *
 * @param disk the folder of disk.ts
 * @returns bytes that are lost by it
 */
export async function losePower(disk: string, recordings: string): Promise<number> {
  const log = join(disk, 'flushed');
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : [];
  const notes = lines.map((line) => flushed.parse(JSON.parse(line)));
  const safe = new Map(notes.flatMap((note) => ('bytes' in note ? [[note.path, note.bytes] as const] : [])));
  const named = new Set(
    notes.flatMap((note) => ('names' in note ? note.names.map((name) => join(note.path, name)) : [])),
  );
  let lost = 0;
  const entries = await readdir(recordings, { recursive: true, withFileTypes: true });
  for (const { parentPath, name } of entries.filter((entry) => entry.isFile())) {
    const path = join(parentPath, name);
    const { length } = readFileSync(path);
    const bytes = safe.get(path);
    const left = bytes === undefined || !named.has(path) ? undefined : Math.min(bytes, length);
    lost += length - (left ?? 0);
    await (left === undefined ? rm(path) : truncate(path, left));
  }
  return lost;
}
