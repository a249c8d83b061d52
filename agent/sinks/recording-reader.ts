/** Streams the source's bytes out of the recordings that hold them, and compares where several hold the same. */
import { type FileHandle, open } from 'node:fs/promises';
import type { Extent } from './recording-extents.ts';
import { type Span, joinExtents } from './recording-spans.ts';

export type JoinedPiece =
  | { readonly kind: 'bytes'; readonly offset: number; readonly bytes: Uint8Array }
  /** No file holds these bytes. */
  | { readonly kind: 'hole'; readonly from: number; readonly to: number }
  /** Several files hold these bytes: once what follows has been compared; `differs` where they are not the same. */
  | { readonly kind: 'overlap'; readonly from: number; readonly to: number; readonly differs: boolean };

const blockBytes = 256 * 1024;

/**
 * The bytes of one term in order of offset, with what is missing or held more than once told where it is. Memory is bounded
 * by the number of files that hold the same byte, not by their sizes.
 *
 * @param extents of one term, of any number of files
 */
export async function* readJoined(extents: readonly Extent[]): AsyncGenerator<JoinedPiece> {
  const files = new OpenFiles();
  try {
    for (const span of joinExtents(extents)) {
      files.keepOnly(span.holders);
      const holders = span.holders;
      if (holders.length === 0) yield { kind: 'hole', from: span.from, to: span.to };
      else yield* readSpan(span, files);
    }
  } finally {
    files.keepOnly([]);
    await files.settled();
  }
}

/** The terms that extents are of, in order. */
export function termsOf(extents: readonly Extent[]): readonly number[] {
  return [...new Set(extents.map(({ term }) => term))].sort((a, b) => a - b);
}

async function* readSpan(span: Span, files: OpenFiles): AsyncGenerator<JoinedPiece> {
  let differs = false;
  for (let at = span.from; at < span.to;) {
    const want = Math.min(blockBytes, span.to - at);
    const blocks = [];
    for (const holder of span.holders) blocks.push(await files.read(holder, at, want));
    const first = blocks.reduce((longest, block) => (block.length > longest.length ? block : longest));
    if (first.length === 0) {
      // The files have been deleted or cut since they were listed.
      yield { kind: 'hole', from: at, to: span.to };
      return;
    }
    differs ||= blocks.some((block) => !isSame(first, block));
    yield { kind: 'bytes', offset: at, bytes: first };
    at += first.length;
  }
  if (span.holders.length > 1) yield { kind: 'overlap', from: span.from, to: span.to, differs };
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Handles of the files that hold what is being read. */
class OpenFiles {
  readonly #handles = new Map<string, FileHandle>();
  readonly #closing: Promise<void>[] = [];

  async read(extent: Extent, offset: number, bytes: number): Promise<Uint8Array> {
    const handle = this.#handles.get(extent.path) ?? (await openIfThere(extent.path));
    if (handle === undefined) return new Uint8Array(0);
    this.#handles.set(extent.path, handle);
    const buffer = Buffer.alloc(bytes);
    const position = extent.position + offset - extent.offset;
    let filled = 0;
    while (filled < bytes) {
      const { bytesRead } = await handle.read(buffer, filled, bytes - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  }

  keepOnly(holders: readonly Extent[]): void {
    const wanted = new Set(holders.map(({ path }) => path));
    for (const [path, handle] of this.#handles) {
      if (wanted.has(path)) continue;
      this.#handles.delete(path);
      this.#closing.push(handle.close());
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.#closing);
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
