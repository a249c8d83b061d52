/** Files that people and programs replace while we run: a change counts when two looks in a row have seen the same. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../clock.ts';

export interface FileWatch {
  /** Looks no more. Waits for what the last change set off, but not for ever: a file system may hang. */
  close(): Promise<void>;
}

export interface WatchedFiles {
  /** Files, or folders of files. */
  readonly places: readonly string[];
  /** What `lookAtFiles` gave before they were read. */
  readonly firstLook: string;
  /** Reads them anew; the next look waits for it. Must not reject. */
  onChange(): Promise<void>;
}

/** Two looks must agree, so that nothing half-written is read: changes apply within two seconds. */
const lookEveryMs = 500;
const closeLimitMs = 5000;
/** Of a folder, only what we read of folders. */
const namePattern = /^[^.].*\.(?:yaml|yml|json|crt|key)$/;
/** Above what is read of a folder of resources or certificates. */
const maxNames = 4096;

/** Changes whenever a file was written, replaced, added or removed, also by a swap of Kubernetes' `..data`. */
export async function lookAtFiles(places: readonly string[]): Promise<string> {
  const looks = await Promise.all(places.map(async (place) => lookAtPlace(place)));
  return looks.join('\n');
}

/** Polls: a notification would not tell of a swapped link, nor of changes on a network file system. */
export function watchFiles(options: WatchedFiles): FileWatch {
  const { places, firstLook } = options;
  const closing = new AbortController();
  const { signal } = closing;
  const run = async (): Promise<void> => {
    let [read, last] = [firstLook, firstLook];
    while (!signal.aborted) {
      await sleep(lookEveryMs, undefined, { signal, ref: false }).catch(() => undefined);
      const look = await lookAtFiles(places);
      const isSettled = look === last;
      last = look;
      if (look === read || !isSettled || signal.aborted) continue;
      read = look;
      await options.onChange();
    }
  };
  const ended = run();
  return {
    async close() {
      closing.abort();
      await within(ended, closeLimitMs);
    },
  };
}

async function lookAtPlace(place: string): Promise<string> {
  const names = await readdir(place).catch(() => []);
  const files = names.filter((name) => namePattern.test(name)).slice(0, maxNames);
  const looks = await Promise.all(
    [place, ...files.toSorted().map((name) => join(place, name))].map(lookAtFile),
  );
  return looks.join(' ');
}

async function lookAtFile(file: string): Promise<string> {
  try {
    const found = await stat(file);
    // A folder's own time changes with files that are none of ours.
    if (found.isDirectory()) return `${file}/`;
    return `${file}:${found.ino}:${found.size}:${found.mtimeMs}:${found.mode}`;
  } catch (error) {
    return `${file}:${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'}`;
  }
}
