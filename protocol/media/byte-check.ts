/** Proves byte by byte that nothing was lost: what the source gave against what was recorded, joined by (term, offset). Pure. */

import { type ByteRange, ByteRanges, lengthOf } from './byte-ranges.ts';

/** Bytes at their address. */
export interface AddressedBytes {
  readonly term: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface ByteReport {
  /** In the reference. */
  readonly bytes: number;
  /** In the reference, and in no recording. */
  readonly lost: number;
  /** Recorded more often than once: so many too many. */
  readonly repeated: number;
  /** Recorded with another value than the reference has there. */
  readonly damaged: number;
  /** Recorded where the reference has nothing. */
  readonly foreign: number;
  /** At most 100 of them, in order. */
  readonly lostRanges: readonly ByteRange[];
  readonly firstDamage?: { readonly term: number; readonly offset: number };
  readonly isWhole: boolean;
}

const maxLostRanges = 100;

/** Compares what is in memory, in any order; parts may overlap. `homing check` reads files in order instead. */
export function compareBytes(
  reference: readonly AddressedBytes[],
  recorded: readonly AddressedBytes[],
): ByteReport {
  const tally = new ByteTally();
  for (const { term, offset, bytes } of reference) {
    tally.expect({ term, from: offset, to: offset + bytes.length });
  }
  for (const { term, offset, bytes } of recorded) {
    for (const source of reference) {
      if (source.term !== term) continue;
      const from = Math.max(offset, source.offset);
      const to = Math.min(offset + bytes.length, source.offset + source.bytes.length);
      if (from >= to) continue;
      tally.compare({ term, offset: from, bytes: bytes.subarray(from - offset, to - offset) }, source);
    }
    tally.cover({ term, from: offset, to: offset + bytes.length });
  }
  return tally.report();
}

/** What is expected, what is covered, and what differs. */
class ByteTally {
  readonly #expected = new ByteRanges();
  readonly #covered = new ByteRanges();
  #repeated = 0;
  #damaged = 0;
  #firstDamage: { readonly term: number; readonly offset: number } | undefined;

  /** The reference has these. */
  expect(range: ByteRange): void {
    this.#expected.add(range);
  }

  /** These were recorded. */
  cover(range: ByteRange): void {
    this.#repeated += this.#covered.add(range);
  }

  /** @param source bytes of the reference that include the place of `recorded` */
  compare(recorded: AddressedBytes, source: AddressedBytes): void {
    const from = recorded.offset - source.offset;
    const expected = source.bytes.subarray(from, from + recorded.bytes.length);
    if (Buffer.compare(expected, recorded.bytes) === 0) return;
    for (const [index, byte] of recorded.bytes.entries()) {
      if (byte === expected[index]) continue;
      this.#damaged += 1;
      this.#firstDamage ??= { term: recorded.term, offset: recorded.offset + index };
    }
  }

  report(): ByteReport {
    const lostRanges = this.#expected.without(this.#covered);
    const lost = lengthOf(lostRanges);
    const foreign = lengthOf(this.#covered.without(this.#expected));
    return {
      bytes: lengthOf(this.#expected.all()),
      lost,
      repeated: this.#repeated,
      damaged: this.#damaged,
      foreign,
      lostRanges: lostRanges.slice(0, maxLostRanges),
      ...(this.#firstDamage === undefined ? {} : { firstDamage: this.#firstDamage }),
      isWhole: lost + foreign + this.#damaged === 0,
    };
  }
}
