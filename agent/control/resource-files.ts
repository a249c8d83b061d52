/** `--resources FILE|DIR`: the custom resources as files, for machines without a cluster. */
import { constants, open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { compareCodePoints } from '../../protocol/identifiers.ts';
import { ConfigError, type ConfigProblem } from '../../crds/config-error.ts';
import {
  fieldOf,
  groupResources,
  keyOf,
  problemAt,
  readResource,
  type Loaded,
  type Resources,
} from './resources.ts';
import type { FieldProblem } from './field-names.ts';
import { denyTextOf } from './trust-sources.ts';
import { parseYamlDocuments, type YamlDocument } from './yaml-documents.ts';

/** Well above what a home needs; a parser's time and memory grow with them. */
const maxFiles = 256;
const maxFileBytes = 1024 * 1024;
/** Told of one document: enough to work on, and finding a line takes time. */
const maxProblems = 100;
const resourceNamePattern = /^[^.].*\.(?:yaml|yml|json)$/;
/** Mode bits: anybody may read. */
const readableByOthers = 0o004;

/**
 * Reads one file, or the .yaml, .yml and .json files of a folder in the order of their names.
 *
 * @throws ConfigError with every problem of every file: file, line, field, what was found, what would be right
 */
export async function readResources(path: string): Promise<Resources> {
  const problems: ConfigProblem[] = [];
  const loaded: Loaded[] = [];
  for (const file of await listFiles(path)) {
    const read = await readFileResources(file);
    problems.push(...read.problems);
    loaded.push(...read.loaded);
  }
  problems.push(...findDuplicates(loaded));
  if (problems.length > 0) throw new ConfigError(problems);
  return groupResources(loaded);
}

/**
 * What the TrustBundles that can be read deny, one a line, whatever else is wrong in the files: denying somebody does not
 * wait until somebody else's typo is found.
 */
export async function readDenied(path: string): Promise<string> {
  const files = await listFiles(path).catch(() => []);
  const read = await Promise.all(files.map(readFileResources));
  const resources = read.flatMap(({ loaded }) => loaded.map(({ resource }) => resource));
  const bundles = resources.filter((resource) => resource.kind === 'TrustBundle');
  return bundles.map(denyTextOf).join('');
}

/** The resources of one file's text; `isOpenToOthers` says that anybody on the machine can read the file. */
export function parseResources(
  file: string,
  text: string,
  isOpenToOthers = false,
): { readonly loaded: readonly Loaded[]; readonly problems: readonly ConfigProblem[] } {
  const { documents, problems } = parseYamlDocuments(text);
  const loaded: Loaded[] = [];
  const found: ConfigProblem[] = problems.map((problem) => ({ file, ...problem }));
  for (const document of documents) {
    const checked = readResource(document.value);
    if (checked.ok) {
      const each: Loaded = { resource: checked.value, file, document };
      loaded.push(each);
      if (isOpenToOthers && each.resource.kind === 'Secret') found.push(openSecret(each));
    } else {
      found.push(...locate(file, document, checked.problems));
    }
  }
  return { loaded, problems: found.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)) };
}

function locate(
  file: string,
  document: YamlDocument,
  problems: readonly FieldProblem[],
): readonly ConfigProblem[] {
  const located: ConfigProblem[] = problems
    .slice(0, maxProblems)
    .map(({ path, message }) => ({ file, line: document.lineOf(path), ...fieldOf(path), message }));
  if (problems.length > maxProblems) {
    located.push({
      file,
      line: document.line,
      message: `and ${problems.length - maxProblems} more mistakes`,
    });
  }
  return located;
}

function openSecret(loaded: Loaded): ConfigProblem {
  return problemAt(loaded, [], `holds a Secret, and others can read the file: chmod 600 ${loaded.file}`);
}

function findDuplicates(loaded: readonly Loaded[]): readonly ConfigProblem[] {
  const first = new Map<string, Loaded>();
  const problems: ConfigProblem[] = [];
  for (const each of loaded) {
    const key = keyOf(each.resource);
    const other = first.get(key);
    if (other === undefined) first.set(key, each);
    else
      problems.push(
        problemAt(each, ['metadata', 'name'], `${key} is already at ${other.file}:${other.document.line}`),
      );
  }
  return problems;
}

async function listFiles(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch((error: unknown) => {
    throw new ConfigError({ file: path, message: `cannot be read: ${reasonOf(error)}` }, { cause: error });
  });
  if (!found.isDirectory()) return [path];
  const names = (await readdir(path))
    .filter((name) => resourceNamePattern.test(name))
    .toSorted(compareCodePoints);
  if (names.length === 0)
    throw new ConfigError({ file: path, message: 'holds no .yaml, .yml or .json file' });
  if (names.length > maxFiles) {
    throw new ConfigError({
      file: path,
      message: `found ${names.length} files: must be at most ${maxFiles}`,
    });
  }
  return names.map((name) => join(path, name));
}

async function readFileResources(file: string): Promise<ReturnType<typeof parseResources>> {
  try {
    // Not to wait for a writer where it is a named pipe.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const { size, mode } = await statFile(handle);
    const text = decode(await readAtMost(handle, size));
    return parseResources(file, text, (mode & readableByOthers) !== 0);
  } catch (error) {
    return { loaded: [], problems: [{ file, message: reasonOf(error) }] };
  }
}

async function statFile(handle: FileHandle): Promise<{ readonly size: number; readonly mode: number }> {
  const found = await handle.stat();
  if (!found.isFile()) throw new Error('is no regular file');
  if (found.size > maxFileBytes) {
    throw new Error(`found ${found.size} bytes: must be at most ${maxFileBytes}`);
  }
  return found;
}

async function readAtMost(handle: FileHandle, size: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, 0);
  return buffer.subarray(0, bytesRead);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Error('must be UTF-8 text', { cause: error });
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'is not there';
  if (code === 'EACCES') return 'this user may not read it';
  return error instanceof Error ? error.message : String(error);
}
