/**
 * What a start does with the recordings of the last run: each file that was open is cut back to what its index vouches for.
 * Only the tail of an index is read (an index grows to hundreds of megabytes a year): while a file is open and grows it gets
 * a line at least every second, so its last line is in there. A file without a line there is left as it is.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isClientName, isStreamName } from '../../protocol/identifiers.ts';
import { type IndexLine, parseIndexLine } from './record-index.ts';
import { indexFileName, parseSegmentName } from './record-names.ts';
import type { StoredFile } from './record-retention.ts';

/** About 30,000 lines: an hour of ten sessions at once. */
const tailBytes = 4 * 1024 * 1024;

export interface Recovery {
  readonly files: readonly StoredFile[];
  /** Bytes that were never durable and have been cut off. */
  readonly cutOffBytes: number;
}

/** Walks `directory/<namespace>/<name>/<stream>`; follows no links, and touches no file that is not ours by name. */
export async function recoverRecordings(directory: string): Promise<Recovery> {
  const files: StoredFile[] = [];
  let cutOffBytes = 0;
  for (const { path, camera } of await listStreamFolders(directory)) {
    const safe = await repairIndex(join(path, indexFileName));
    for (const file of await readdir(path)) {
      if (parseSegmentName(file) === undefined) continue;
      const stat = await lstat(join(path, file));
      if (!stat.isFile()) continue;
      const bytes = Math.min(stat.size, safe.get(file) ?? Infinity);
      if (bytes < stat.size) await cutBack(join(path, file), bytes);
      cutOffBytes += stat.size - bytes;
      files.push({ path: join(path, file), camera, bytes, modifiedMs: stat.mtimeMs, isKept: false });
    }
  }
  return { files, cutOffBytes };
}

/** Folders of streams below a recordings folder, by their names. */
async function listStreamFolders(
  directory: string,
): Promise<readonly { readonly path: string; readonly camera: string; readonly stream: string }[]> {
  const found = [];
  for (const namespace of await listFolders(directory)) {
    for (const name of await listFolders(join(directory, namespace))) {
      const camera = `${namespace}/${name}`;
      const streams = isClientName(camera) ? await listFolders(join(directory, camera)) : [];
      for (const stream of streams.filter(isStreamName))
        found.push({ path: join(directory, camera, stream), camera, stream });
    }
  }
  return found;
}

async function listFolders(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/** Cuts a torn last line off an index. Gives the position behind the last safe byte of each file in its tail. */
async function repairIndex(path: string): Promise<ReadonlyMap<string, number>> {
  const safe = new Map<string, number>();
  const handle = await openIfThere(path);
  if (handle === undefined) return safe;
  try {
    const { lines, goodBytes, size } = await readTail(handle);
    for (const line of lines) safe.set(line.file, Math.max(safe.get(line.file) ?? 0, line.position));
    if (goodBytes < size) {
      await handle.truncate(goodBytes);
      await handle.datasync();
    }
  } finally {
    await handle.close();
  }
  return safe;
}

async function readTail(
  handle: FileHandle,
): Promise<{ readonly lines: readonly IndexLine[]; readonly goodBytes: number; readonly size: number }> {
  const { size } = await handle.stat();
  const start = Math.max(0, size - tailBytes);
  const buffer = Buffer.alloc(size - start);
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, start);
  const lines: IndexLine[] = [];
  let goodBytes = start;
  let from = start === 0 ? 0 : buffer.indexOf(0x0a) + 1;
  for (
    let end = buffer.indexOf(0x0a, from);
    end !== -1 && end < bytesRead;
    end = buffer.indexOf(0x0a, from)
  ) {
    const line = parseIndexLine(buffer.toString('latin1', from, end));
    from = end + 1;
    if (line === undefined) continue;
    lines.push(line);
    goodBytes = start + from;
  }
  return { lines, goodBytes, size };
}

async function cutBack(path: string, bytes: number): Promise<void> {
  const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    await handle.truncate(bytes);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
