/** Word from the kernel that something happened to files: earlier than the next look, and never instead of it. */
import { type FSWatcher, statSync, watch } from 'node:fs';
import path from 'node:path';

export interface FileNotice {
  close(): void;
}

/**
 * Tells when one of `names` in a folder, or a single file, may have changed. It hears nothing on network file systems, of a
 * folder that is replaced, or beyond the kernel's limit of watches: who must know looks by the clock as well.
 *
 * @param place the folder, or the file, whose folder is watched then: whoever replaces a file ends a watch of it
 */
export function noticeFiles(place: string, names: readonly string[], onNotice: () => void): FileNotice {
  const [folder, wanted] = isFolder(place) ? [place, names] : [path.dirname(place), [path.basename(place)]];
  let watcher: FSWatcher | undefined;
  try {
    // The watch alone keeps no process alive.
    watcher = watch(folder, { persistent: false }, (_, name) => {
      if (name === null || wanted.includes(name)) onNotice();
    });
    watcher.on('error', () => watcher?.close());
  } catch {
    // Too many watches, or no such folder: the looks by the clock are left.
  }
  return { close: () => watcher?.close() };
}

function isFolder(place: string): boolean {
  return statSync(place, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
