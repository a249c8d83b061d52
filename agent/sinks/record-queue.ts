/** A stream's bytes that are not on disk yet, and between them the places where files and parts begin. Pure. */
import type { IndexWhy } from './record-index.ts';

export interface FileItem {
  readonly kind: 'file';
  readonly offset: number;
  readonly why: IndexWhy;
  readonly time: number;
  readonly pts?: number;
}

export interface PartItem {
  readonly kind: 'part';
  readonly why: IndexWhy;
  readonly time: number;
}

export interface BytesItem {
  readonly kind: 'bytes';
  readonly bytes: Uint8Array;
  readonly counted: boolean;
}

export type QueueItem = FileItem | PartItem | BytesItem;

/** An array element, the item, and a view of a buffer. */
const chunkOverheadBytes = 128;

export class RecordQueue {
  #items: QueueItem[] = [];
  #bytes = 0;
  #chunks = 0;

  /** Memory that it holds, about: a flood of frames of one byte shows as what it costs. */
  get bytes(): number {
    return this.#bytes + this.#chunks * chunkOverheadBytes;
  }

  /** True where no bytes are left: a file begins with its first byte, not before. */
  get isEmpty(): boolean {
    return this.#chunks === 0;
  }

  push(item: QueueItem): void {
    this.#items.push(item);
    if (item.kind !== 'bytes') return;
    this.#bytes += item.bytes.length;
    this.#chunks += 1;
  }

  clear(): void {
    this.#items = [];
    this.#bytes = 0;
    this.#chunks = 0;
  }

  /** The next item; of two files in a row, the first of which would stay empty, the second. */
  peek(): QueueItem | undefined {
    while (this.#items[0]?.kind === 'file' && this.#items[1]?.kind === 'file') this.#items.shift();
    return this.#items[0];
  }

  shift(): void {
    const item = this.#items.shift();
    if (item?.kind !== 'bytes') return;
    this.#bytes -= item.bytes.length;
    this.#chunks -= 1;
  }

  /** Takes the first `length` bytes off the first item. */
  shorten(item: BytesItem, length: number): void {
    this.#items[0] = { ...item, bytes: item.bytes.subarray(length) };
    this.#bytes -= length;
  }

  /**
   * Puts `file` and its preamble before the counted byte that it begins with, if that byte and all behind it are still here
   * and in one file.
   *
   * @param endOffset the next offset behind the queue
   * @returns the bytes behind it, undefined where it could not be done
   */
  split(file: FileItem, preamble: Uint8Array, endOffset: number): number | undefined {
    let offset = endOffset;
    let bytesBehind = 0;
    if (file.offset === endOffset) {
      this.push(file);
      for (const item of injectedItems(preamble)) this.push(item);
      return 0;
    }
    for (let index = this.#items.length - 1; index >= 0; index -= 1) {
      const item = this.#items[index];
      if (item === undefined || item.kind === 'file') return undefined;
      if (item.kind === 'part') continue;
      if (item.counted) offset -= item.bytes.length;
      bytesBehind += item.bytes.length;
      if (!item.counted || file.offset < offset) continue;
      this.#insert([file, ...injectedItems(preamble)], { index, item, at: file.offset - offset });
      return bytesBehind - (file.offset - offset);
    }
    return undefined;
  }

  #insert(
    items: readonly QueueItem[],
    place: { readonly index: number; readonly item: BytesItem; readonly at: number },
  ): void {
    const { index, item, at } = place;
    const before: QueueItem[] = at === 0 ? [] : [{ ...item, bytes: item.bytes.subarray(0, at) }];
    const added = [...before, ...items, { ...item, bytes: item.bytes.subarray(at) }];
    this.#items.splice(index, 1, ...added);
    const bytes = added.filter((one) => one.kind === 'bytes');
    this.#chunks += bytes.length - 1;
    this.#bytes += bytes.reduce((sum, one) => sum + one.bytes.length, 0) - item.bytes.length;
  }
}

function injectedItems(bytes: Uint8Array): readonly BytesItem[] {
  return bytes.length === 0 ? [] : [{ kind: 'bytes', bytes, counted: false }];
}
