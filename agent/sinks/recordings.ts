/** Finds recordings, and reads from their indexes which bytes of the source each file holds. */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { MediaType } from '../../protocol/documents.ts';
import { isClientName, isStreamName } from '../../protocol/identifiers.ts';
import { maxIndexLineBytes, parseIndexLine } from './record-index.ts';
import { indexFileName, parseSegmentName } from './record-names.ts';
import { type Extent, FileExtents } from './recording-extents.ts';

/** Everything that was found of one stream of one camera, in however many folders. */
export interface Recording {
  /** `namespace/name`, from the folders. */
  readonly name: string;
  readonly stream: string;
  readonly media: MediaType;
  readonly extents: readonly Extent[];
}

export interface Recordings {
  readonly recordings: readonly Recording[];
  /** What was left out or does not fit, as sentences. */
  readonly problems: readonly string[];
}

/** Folders above a stream's: namespace, name. */
const maxDepth = 3;

/**
 * Reads one or several folders of recordings: a RECORDINGS folder, or any folder below it down to a stream's. Where there is
 * no index (what `--keep-source` wrote), a file is whole from the offset in its name on.
 *
 * @throws Error where a folder cannot be read
 */
export async function readRecordings(directories: readonly string[]): Promise<Recordings> {
  const byStream = new Map<string, { name: string; stream: string; media: MediaType; extents: Extent[] }>();
  const problems: string[] = [];
  for (const directory of directories) {
    for (const folder of await findStreamFolders(resolve(directory), maxDepth)) {
      const stream = basename(folder);
      const name = `${basename(dirname(dirname(folder)))}/${basename(dirname(folder))}`;
      if (!isClientName(name) || !isStreamName(stream)) {
        problems.push(`${folder} is not a folder <namespace>/<name>/<stream>`);
        continue;
      }
      for (const { media, extents } of await readStreamFolder(folder, problems)) {
        const key = `${name}/${stream}/${media}`;
        const found = byStream.get(key) ?? { name, stream, media, extents: [] };
        found.extents.push(...extents);
        byStream.set(key, found);
      }
    }
  }
  return { recordings: [...byStream.values()], problems };
}

/** A folder that holds segments or an index is a stream's; others are looked into. */
async function findStreamFolders(directory: string, depth: number): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  if (entries.some((entry) => entry.isFile() && isRecordingFile(entry.name))) return [directory];
  if (depth === 0) return [];
  const found: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.isDirectory()) found.push(...(await findStreamFolders(join(directory, entry.name), depth - 1)));
  }
  return found;
}

function isRecordingFile(name: string): boolean {
  return name === indexFileName || parseSegmentName(name) !== undefined;
}

async function readStreamFolder(
  folder: string,
  problems: string[],
): Promise<readonly { readonly media: MediaType; readonly extents: readonly Extent[] }[]> {
  const names = await readdir(folder);
  const index = names.includes(indexFileName)
    ? await readIndex(join(folder, indexFileName), problems)
    : undefined;
  const found = [];
  for (const file of names.sort()) {
    const segment = parseSegmentName(file);
    if (segment === undefined) continue;
    const path = join(folder, file);
    const size = await sizeOf(path);
    if (size === undefined) continue;
    const whole: Extent = { path, term: segment.term, offset: segment.offset, position: 0, length: size };
    const indexed = index?.get(file);
    if (indexed !== undefined) problems.push(...problemsOf(path, size, indexed));
    const vouched = indexed?.extents({ path, term: segment.term, bytes: size }) ?? [];
    found.push({ media: segment.media, extents: index === undefined ? [whole] : vouched });
  }
  return found;
}

/** Undefined where retention has just deleted it. */
async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ size }) => size,
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    },
  );
}

function problemsOf(path: string, size: number, indexed: FileExtents): readonly string[] {
  const problems = [];
  if (indexed.contradictions > 0)
    problems.push(`${path}: ${indexed.contradictions} lines of the index contradict others`);
  if (indexed.vouchedBytes > size) {
    problems.push(`${path} has ${size} bytes, but its index vouches for ${indexed.vouchedBytes}`);
  }
  return problems;
}

/** Reads an index line by line; damaged lines are counted and left out. */
async function readIndex(path: string, problems: string[]): Promise<ReadonlyMap<string, FileExtents>> {
  const files = new Map<string, FileExtents>();
  let damaged = 0;
  for await (const text of boundedLines(path)) {
    const line = text === undefined ? undefined : parseIndexLine(text);
    if (line === undefined) {
      damaged += 1;
      continue;
    }
    const file = files.get(line.file) ?? new FileExtents();
    file.add(line);
    files.set(line.file, file);
  }
  if (damaged > 0) problems.push(`${path}: ${damaged} damaged lines were left out`);
  return files;
}

/** Lines of a file without their ends; undefined for one that is too long. A last line without an end is torn: left out. */
async function* boundedLines(path: string): AsyncGenerator<string | undefined> {
  let rest = '';
  let isTooLong = false;
  for await (const chunk of createReadStream(path, { encoding: 'latin1' })) {
    const lines = `${rest}${String(chunk)}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      yield isTooLong || line.length > maxIndexLineBytes ? undefined : line;
      isTooLong = false;
    }
    if (rest.length > maxIndexLineBytes) isTooLong = true;
    if (isTooLong) rest = '';
  }
}
