/** Proves byte by byte that nothing was lost: what the source gave against what was recorded, offset by offset. Pure. */

/** Bytes at their offset in a term. */
export interface PlacedBytes {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A stretch of the reference, and what was recorded there. */
export interface ComparedBytes {
  readonly offset: number;
  readonly reference: Uint8Array;
  /** As long as the reference; undefined where nothing was recorded. */
  readonly recorded: Uint8Array | undefined;
}

/**
 * Walks over the reference; what was recorded beyond it is not looked at. Both are in order, may have holes, and are read once:
 * one piece of each is held at a time.
 */
export async function* compareBytes(
  reference: AsyncIterable<PlacedBytes>,
  recorded: AsyncIterable<PlacedBytes>,
): AsyncGenerator<ComparedBytes> {
  const cursor = new Cursor(recorded[Symbol.asyncIterator]());
  for await (const piece of reference) {
    for (let at = 0; at < piece.bytes.length;) {
      const offset = piece.offset + at;
      const found = await cursor.at(offset, piece.bytes.length - at);
      yield { offset, reference: piece.bytes.subarray(at, at + found.length), recorded: found.bytes };
      at += found.length;
    }
  }
  await cursor.finish();
}

/** How many bytes are not the same; both are equally long. */
export function countDifferent(a: Uint8Array, b: Uint8Array): number {
  if (Buffer.compare(a, b) === 0) return 0;
  let different = 0;
  for (const [index, byte] of a.entries()) if (byte !== b[index]) different += 1;
  return different;
}

interface Found {
  readonly length: number;
  readonly bytes: Uint8Array | undefined;
}

class Cursor {
  readonly #pieces: AsyncIterator<PlacedBytes>;
  #piece: PlacedBytes | undefined;
  #isDone = false;

  constructor(pieces: AsyncIterator<PlacedBytes>) {
    this.#pieces = pieces;
  }

  /** What is held at `offset`, or how far nothing is; at most `length` of it. */
  async at(offset: number, length: number): Promise<Found> {
    while (!this.#isDone && (this.#piece === undefined || endOf(this.#piece) <= offset))
      await this.#advance();
    const piece = this.#piece;
    if (piece === undefined || endOf(piece) <= offset) return { length, bytes: undefined };
    if (piece.offset > offset) return { length: Math.min(length, piece.offset - offset), bytes: undefined };
    const from = offset - piece.offset;
    const bytes = piece.bytes.subarray(from, from + length);
    return { length: bytes.length, bytes };
  }

  /** To the end: what a reader has to say may come behind its last bytes. */
  async finish(): Promise<void> {
    while (!this.#isDone) await this.#advance();
  }

  async #advance(): Promise<void> {
    const next = await this.#pieces.next();
    this.#isDone = next.done === true;
    if (next.done !== true) this.#piece = next.value;
  }
}

function endOf(piece: PlacedBytes): number {
  return piece.offset + piece.bytes.length;
}
