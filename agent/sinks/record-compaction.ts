/** Takes the lines of deleted files out of an index, a piece at a time, while others go on writing to it. */
import { type FileHandle, open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type RecordFolder, syncFolder, writeWhole } from './record-folder.ts';
import { maxIndexLineBytes, parseIndexLine } from './record-index.ts';
import { indexFileName } from './record-names.ts';

/** So much is read, looked at and written at once: some milliseconds. */
const pieceBytes = 512 * 1024;
const temporaryName = `${indexFileName}.tmp`;

/**
 * One index's compaction. Every step is one turn on the disk, so no line is written meanwhile; between steps lines may be
 * added to the old index, which stays the index until the last step puts the new one in its place.
 */
export class IndexCompaction {
  readonly #path: string;
  /** Files that are there, or were made since: their lines stay. Read when the old index is already listed. */
  #files: ReadonlySet<string> | undefined;
  /** Lines behind this were written since, and stay. */
  #listedBytes = 0;
  #old: FileHandle | undefined;
  #new: FileHandle | undefined;
  #read = 0;
  #written = 0;
  #rest = '';

  /** @param path the folder of a stream */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Goes on.
   *
   * @param folder whoever has the index open: it opens the new one when it next writes
   * @returns true when it is done
   */
  async step(folder: RecordFolder | undefined): Promise<boolean> {
    try {
      const handles = await this.#open();
      if (handles === undefined) return true;
      const isBehind = await this.#copyPiece(handles.from, handles.to);
      if (isBehind) return false;
      await this.#replace(handles.to, folder);
    } catch (error) {
      await this.#close();
      await unlink(join(this.#path, temporaryName)).catch(() => undefined);
      throw error;
    }
    await this.#close();
    return true;
  }

  async #open(): Promise<{ readonly from: FileHandle; readonly to: FileHandle } | undefined> {
    if (this.#old !== undefined && this.#new !== undefined) return { from: this.#old, to: this.#new };
    const names = await readdir(this.#path);
    if (!names.includes(indexFileName)) return undefined;
    this.#files = new Set(names);
    this.#old = await open(join(this.#path, indexFileName));
    this.#listedBytes = (await this.#old.stat()).size;
    this.#new = await open(join(this.#path, temporaryName), 'w', 0o640);
    return { from: this.#old, to: this.#new };
  }

  async #copyPiece(from: FileHandle, to: FileHandle): Promise<boolean> {
    // A piece ends where the list of files does not know what comes: new lines may be of new files.
    const known = this.#listedBytes - this.#read;
    const wanted = known > 0 ? Math.min(pieceBytes, known) : pieceBytes;
    const { bytesRead, buffer } = await from.read(Buffer.alloc(wanted), 0, wanted, this.#read);
    const lines = `${this.#rest}${buffer.toString('latin1', 0, bytesRead)}`.split('\n');
    // What is longer than a line is damage, and goes.
    this.#rest = (lines.pop() ?? '').slice(0, maxIndexLineBytes + 1);
    const kept = lines.filter((line) => this.#isKept(line)).map((line) => `${line}\n`);
    this.#read += bytesRead;
    const bytes = Buffer.from(kept.join(''), 'latin1');
    await writeWhole(to, [bytes], this.#written);
    this.#written += bytes.length;
    return bytesRead === wanted;
  }

  #isKept(text: string): boolean {
    const line = parseIndexLine(text);
    return line !== undefined && (this.#read >= this.#listedBytes || this.#files?.has(line.file) === true);
  }

  async #replace(to: FileHandle, folder: RecordFolder | undefined): Promise<void> {
    await to.datasync();
    await rename(join(this.#path, temporaryName), join(this.#path, indexFileName));
    await syncFolder(this.#path);
    await folder?.close();
  }

  async #close(): Promise<void> {
    const handles = [this.#old, this.#new];
    [this.#old, this.#new] = [undefined, undefined];
    for (const handle of handles) await handle?.close();
  }
}
