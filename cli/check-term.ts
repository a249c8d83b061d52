/** Checks one term of one stream: what the source gave against what was recorded of it. */
import type { Extent } from '../agent/sinks/recording-extents.ts';
import { type JoinedPiece, readJoined } from '../agent/sinks/recording-reader.ts';
import { joinExtents } from '../agent/sinks/recording-spans.ts';
import { type PlacedBytes, compareBytes, countDifferent } from '../protocol/media/byte-check.ts';
import { type Hashed, type LostRun, compareFrames } from '../protocol/media/loss-check.ts';
import { type Unit, type UnitHasher, createUnitHasher } from '../protocol/media/unit-hashes.ts';

/** Counts in the stream's unit, but for what says bytes. */
export interface Counts {
  /** In the reference. */
  readonly frames: number;
  readonly lost: number;
  /** Recorded in more than one file, one when joined: what a handover or a replay leaves. */
  readonly repeated: number;
  readonly damaged: number;
  readonly foreign: number;
  readonly bytes: number;
  readonly bytesLost: number;
  readonly bytesDamaged: number;
  /** At the end of a source that still gives: on their way. */
  readonly bytesUnderWay: number;
}

/** Neighbours that are all lost, in the stream's unit; `first` and `last` are places in the term, from 0. */
export interface LostPart extends LostRun {
  readonly term: number;
}

export interface TermReport extends Counts {
  readonly lostParts: readonly LostPart[];
  /** Why the reference proves nothing, or recordings contradict each other. */
  readonly problems: readonly string[];
}

export interface TermToCheck {
  readonly unit: Unit;
  readonly term: number;
  readonly reference: readonly Extent[];
  readonly recorded: readonly Extent[];
  /** The source still gives: what is behind the last recorded byte is on its way, and not looked at. */
  readonly isGrowing: boolean;
}

export async function checkTerm(check: TermToCheck): Promise<TermReport> {
  const held = clip(check.recorded, check.reference);
  const until = check.isGrowing ? endOf(held) : Infinity;
  const bytes = { bytes: 0, bytesLost: 0, bytesDamaged: 0, bytesUnderWay: 0 };
  const sides = check.unit === 'bytes' ? undefined : newSides(check.unit);
  const problems: string[] = [];
  const source = bytesOf(readJoined(check.reference));
  const copy = bytesOf(tellDifferences(readJoined(held), check.term, problems));
  for await (const { offset, reference, recorded } of compareBytes(source, copy)) {
    bytes.bytes += reference.length;
    if (offset >= until) {
      bytes.bytesUnderWay += reference.length;
      continue;
    }
    sides?.reference.push(reference, offset);
    if (recorded === undefined) bytes.bytesLost += reference.length;
    else {
      bytes.bytesDamaged += countDifferent(reference, recorded);
      sides?.recorded.push(recorded, offset);
    }
  }
  const repeats = joinExtents(held).filter(({ holders }) => holders.length > 1);
  if (sides === undefined) return bytesReport(bytes, repeats, problems);
  return unitsReport({ term: check.term, bytes, sides, repeats, problems });
}

/** What is recorded behind the end of the reference is not looked at: the reference may be a copy of a while ago. */
function clip(recorded: readonly Extent[], reference: readonly Extent[]): readonly Extent[] {
  const end = endOf(reference);
  return recorded.map((extent) => ({ ...extent, length: Math.min(extent.length, end - extent.offset) }));
}

async function* tellDifferences(
  pieces: AsyncIterable<JoinedPiece>,
  term: number,
  problems: string[],
): AsyncGenerator<JoinedPiece> {
  for await (const piece of pieces) {
    if (piece.kind === 'overlap' && piece.differs) {
      problems.push(`term ${term}: recordings differ somewhere in bytes ${piece.from} to ${piece.to}`);
    }
    yield piece;
  }
}

/** Only the bytes of what was joined. */
export async function* bytesOf(pieces: AsyncIterable<JoinedPiece>): AsyncGenerator<PlacedBytes> {
  for await (const piece of pieces) if (piece.kind === 'bytes') yield piece;
}

interface Sides {
  readonly reference: Units;
  readonly recorded: Units;
}

function newSides(unit: 'frames' | 'lines'): Sides {
  const newUnits = (): Units => new Units(createUnitHasher(unit, { isByPlace: true }));
  return { reference: newUnits(), recorded: newUnits() };
}

/** All units of a stream. */
class Units {
  readonly #hasher: UnitHasher;
  readonly #found: Hashed[] = [];

  constructor(hasher: UnitHasher) {
    this.#hasher = hasher;
  }

  push(bytes: Uint8Array, offset: number): void {
    // One by one: a block may hold more lines than a call takes arguments.
    for (const unit of this.#hasher.push(bytes, offset)) this.#found.push(unit);
  }

  /** The stream ends here. */
  finish(): readonly Hashed[] {
    this.#found.push(...this.#hasher.finish());
    return this.#found;
  }
}

type ByteCounts = Pick<Counts, 'bytes' | 'bytesLost' | 'bytesDamaged' | 'bytesUnderWay'>;

function unitsReport(from: {
  readonly term: number;
  readonly bytes: ByteCounts;
  readonly sides: Sides;
  readonly repeats: readonly Range[];
  readonly problems: readonly string[];
}): TermReport {
  const { term, bytes, sides, repeats, problems } = from;
  const given = sides.reference.finish();
  const repeated = repeatedIn(given, repeats);
  const result = compareFrames(given, sides.recorded.finish());
  if (!result.ok) {
    const counts = { frames: given.length, lost: 0, repeated, damaged: 0, foreign: 0, ...bytes };
    return {
      ...counts,
      lostParts: [],
      problems: [...problems, `the reference proves nothing: ${result.detail}`],
    };
  }
  const { frames, lost, damaged, foreign, lostRuns } = result.value;
  const lostParts = lostRuns.map((run) => ({ term, ...run }));
  return { frames, lost, repeated, damaged, foreign, ...bytes, lostParts, problems };
}

function bytesReport(bytes: ByteCounts, repeats: readonly Range[], problems: readonly string[]): TermReport {
  const repeated = repeats.reduce((sum, { from, to }) => sum + to - from, 0);
  const { bytes: given, bytesLost: lost, bytesDamaged: damaged, bytesUnderWay } = bytes;
  const isEmpty = given === 0 ? ['the reference proves nothing: it has no bytes'] : [];
  const counts = { frames: given - bytesUnderWay, lost, repeated, damaged, foreign: 0, ...bytes };
  return { ...counts, lostParts: [], problems: [...problems, ...isEmpty] };
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Units that begin where several files hold the bytes. */
function repeatedIn(units: readonly Hashed[], ranges: readonly Range[]): number {
  let [repeated, next] = [0, 0];
  for (const { offset } of units) {
    while ((ranges[next]?.to ?? Infinity) <= offset) next += 1;
    if (offset >= (ranges[next]?.from ?? Infinity)) repeated += 1;
  }
  return repeated;
}

/** The next offset behind all of them. */
export function endOf(extents: readonly Extent[]): number {
  return extents.reduce((end, { offset, length }) => Math.max(end, offset + length), 0);
}
