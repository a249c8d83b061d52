/** The files of one stream's folder: segments that never overwrite a name, and the index that only grows. */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import type { MediaType } from '../../protocol/documents.ts';
import { type IndexLine, encodeIndexLine } from './record-index.ts';
import { formatSegmentName, indexFileName } from './record-names.ts';

/** Sessions of one term that began at the same byte; more is a client that loops. */
const maxCopies = 10_000;
// Recordings show people's homes: readable to the agent's user and group only.
const fileMode = 0o640;
const folderMode = 0o750;

/** One stream's folder, shared by the sessions that write to it. */
export class RecordFolder {
  readonly path: string;
  readonly #root: string;
  #index: FileHandle | undefined;
  #indexBytes = 0;
  #isNew = true;

  constructor(root: string, path: string) {
    this.#root = root;
    this.path = path;
  }

  /** A new empty file; an existing one is never touched. */
  async createSegment(name: {
    readonly term: number;
    readonly offset: number;
    readonly media: MediaType;
  }): Promise<{
    readonly file: string;
    readonly handle: FileHandle;
  }> {
    await mkdir(this.path, { recursive: true, mode: folderMode });
    // Before any file: of one that has no line in an index nothing is vouched for, while a folder without one is a source's.
    await this.#openIndex();
    for (let copy = 1; copy <= maxCopies; copy += 1) {
      const file = formatSegmentName({ ...name, copy });
      const handle = await createOnly(join(this.path, file));
      if (handle !== undefined) return { file, handle };
    }
    throw new Error(`recording: ${maxCopies} files begin at byte ${name.offset} of term ${name.term}`);
  }

  /** Appends whole lines: after a failure the next call writes at the same place again. */
  async append(lines: readonly IndexLine[]): Promise<void> {
    const index = await this.#openIndex();
    const bytes = Buffer.from(lines.map(encodeIndexLine).join(''));
    await writeWhole(index, [bytes], this.#indexBytes);
    this.#indexBytes += bytes.length;
  }

  /** Makes what was appended safe. */
  async syncIndex(): Promise<void> {
    await this.#index?.datasync();
  }

  /** Makes the names of new files safe, and of the folders on the way to them. */
  async syncNames(): Promise<void> {
    const folders = this.#isNew ? foldersBetween(this.#root, this.path) : [this.path];
    for (const folder of folders) await syncFolder(folder);
    this.#isNew = false;
  }

  async close(): Promise<void> {
    const index = this.#index;
    this.#index = undefined;
    await index?.close();
  }

  async #openIndex(): Promise<FileHandle> {
    if (this.#index !== undefined) return this.#index;
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const index = await open(join(this.path, indexFileName), flags, fileMode);
    this.#indexBytes = (await index.stat()).size;
    this.#index = index;
    return index;
  }
}

/** Writes all of the chunks at `position`: a short write is gone on with, not an error. */
export async function writeWhole(
  handle: FileHandle,
  chunks: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let rest = chunks.filter((chunk) => chunk.length > 0);
  let at = position;
  while (rest.length > 0) {
    // IOV_MAX is 1,024 on Linux.
    const { bytesWritten } = await handle.writev(rest.slice(0, 1024), at);
    if (bytesWritten === 0) throw new Error('recording: the file system takes no more bytes');
    at += bytesWritten;
    rest = behind(rest, bytesWritten);
  }
}

/** Makes names in a folder safe. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function createOnly(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(
      path,
      constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      fileMode,
    );
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return undefined;
    throw error;
  }
}

function behind(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let skip = bytes;
  for (const chunk of chunks) {
    if (skip >= chunk.length) skip -= chunk.length;
    else {
      rest.push(chunk.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}

/** The root and each folder below it down to `path`. */
function foldersBetween(root: string, path: string): string[] {
  const steps = relative(root, path).split(sep);
  const folders = [dirname(root), root];
  for (const step of steps) folders.push(join(folders.at(-1) ?? root, step));
  return folders;
}
