/** A watch's answer: bytes to lines, lines to events. */
import { z } from 'zod';

/** Our choice: etcd holds at most 1.5 MiB an object, and JSON writes no byte of it with more than six. */
const maxLineBytes = 10 * 1024 * 1024;

/** Splits bytes at line ends. What is behind the last one is kept, up to a bound. */
export class LineSplitter {
  #parts: Buffer[] = [];
  #bytes = 0;
  readonly #maxBytes: number;

  constructor(maxBytes = maxLineBytes) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that are whole now; undefined where one is longer than the bound: nothing after that can be read. */
  push(chunk: Buffer): readonly string[] | undefined {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, from)) {
      if (!this.#keep(chunk.subarray(from, end))) return undefined;
      const line = Buffer.concat(this.#parts).toString('utf8');
      if (line.trim() !== '') lines.push(line);
      this.#parts = [];
      this.#bytes = 0;
      from = end + 1;
    }
    return this.#keep(chunk.subarray(from)) ? lines : undefined;
  }

  #keep(bytes: Buffer): boolean {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#maxBytes) return false;
    if (bytes.length > 0) this.#parts.push(bytes);
    return true;
  }
}

export type WatchEvent =
  | { readonly type: 'put' | 'gone'; readonly key: string; readonly version: string; readonly object: object }
  | { readonly type: 'bookmark'; readonly version: string }
  /** The server's own error: 410 asks for a new list. */
  | { readonly type: 'error'; readonly status: number; readonly message: string }
  /** A type that we do not know, or an object without a name or a version. */
  | { readonly type: 'unknown' }
  /** No JSON: where the next event begins cannot be known. */
  | { readonly type: 'broken' };

const metadata = z.looseObject({
  name: z.string().min(1),
  namespace: z.string().optional(),
  resourceVersion: z.string().min(1),
});
const eventLine = z.object({ type: z.string(), object: z.looseObject({}) });
const bookmark = z.looseObject({ metadata: z.looseObject({ resourceVersion: z.string().min(1) }) });
const errorStatus = z.looseObject({ code: z.number().optional(), message: z.string().optional() });

/** Reads a line. Fields that we do not know are kept. */
export function readWatchEvent(line: string): WatchEvent {
  const read = eventLine.safeParse(parseOrUndefined(line));
  if (!read.success) return { type: 'broken' };
  const { type, object } = read.data;
  if (type === 'ERROR') return readError(object);
  if (type === 'BOOKMARK') {
    const version = bookmark.safeParse(object).data?.metadata.resourceVersion;
    return version === undefined ? { type: 'unknown' } : { type: 'bookmark', version };
  }
  const place = placeOf(object);
  const kind = Object.hasOwn(types, type) ? types[type] : undefined;
  if (place === undefined || kind === undefined) return { type: 'unknown' };
  return { type: kind, object, key: place.key, version: place.version };
}

function readError(object: object): WatchEvent {
  const { code = 0, message = '' } = errorStatus.safeParse(object).data ?? {};
  return { type: 'error', status: code, message: message.slice(0, 1000) };
}

const types: Readonly<Record<string, 'put' | 'gone'>> = {
  ADDED: 'put',
  MODIFIED: 'put',
  DELETED: 'gone',
};

/** `name` or `namespace/name`, and the version; undefined where an object does not say. */
export function placeOf(object: unknown): { readonly key: string; readonly version: string } | undefined {
  const own: unknown =
    typeof object === 'object' && object !== null ? Reflect.get(object, 'metadata') : undefined;
  const read = metadata.safeParse(own);
  if (!read.success) return undefined;
  const { name, namespace, resourceVersion } = read.data;
  const key = namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
  return { key, version: resourceVersion };
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
