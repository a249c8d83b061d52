/** Compares joined bytes with the source's, offset by offset. */
import type { JoinedPiece } from '../agent/sinks/recording-reader.ts';

/** A stretch of the reference, and what was recorded there. */
export interface ComparedPiece {
  readonly offset: number;
  readonly reference: Uint8Array;
  /** Undefined where nothing was recorded. */
  readonly recorded: Uint8Array | undefined;
}

/** Walks over the reference; what was recorded beyond it is not looked at. */
export async function* compareBytes(
  reference: AsyncIterable<JoinedPiece>,
  recorded: AsyncIterable<JoinedPiece>,
): AsyncGenerator<ComparedPiece> {
  const cursor = new Cursor(recorded[Symbol.asyncIterator]());
  for await (const piece of reference) {
    if (piece.kind !== 'bytes') continue;
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
  readonly #pieces: AsyncIterator<JoinedPiece>;
  #piece: { readonly offset: number; readonly bytes: Uint8Array } | undefined;
  #isDone = false;

  constructor(pieces: AsyncIterator<JoinedPiece>) {
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

  /** To the end, as what is told of an overlap comes behind its bytes. */
  async finish(): Promise<void> {
    while (!this.#isDone) await this.#advance();
  }

  async #advance(): Promise<void> {
    const next = await this.#pieces.next();
    this.#isDone = next.done === true;
    if (next.done !== true && next.value.kind === 'bytes') this.#piece = next.value;
  }
}

function endOf(piece: { readonly offset: number; readonly bytes: Uint8Array }): number {
  return piece.offset + piece.bytes.length;
}
