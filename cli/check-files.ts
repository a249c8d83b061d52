/** Checks recordings against one plain file, by frames, lines or bytes: offsets are not known there. */
import { open, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import type { Extent } from '../agent/sinks/recording-extents.ts';
import { readJoined, termsOf } from '../agent/sinks/recording-reader.ts';
import { readRecordings } from '../agent/sinks/recordings.ts';
import { mediaOfExtension } from '../agent/sinks/record-names.ts';
import type { MediaType } from '../protocol/documents.ts';
import { type PlacedBytes, compareBytes, countDifferent } from '../protocol/media/byte-check.ts';
import { type Hashed, compareFrames } from '../protocol/media/loss-check.ts';
import { createUnitHasher, unitOf } from '../protocol/media/unit-hashes.ts';
import { type CameraReport, type CheckReport, concludeReport } from './check-recordings.ts';
import { bytesOf } from './check-term.ts';
import { CommandError } from './output.ts';

/** What one after the other makes up a recording: a file, or one term of a folder. */
type Part = readonly Extent[];

/**
 * Compares a file with what was recorded of it: files in their order, or a folder of one camera's recordings.
 *
 * @throws CommandError for a folder of several cameras
 */
export async function checkFiles(reference: string, recordings: readonly string[]): Promise<CheckReport> {
  const media = await mediaOf(reference);
  const problems: string[] = [];
  const parts: Part[] = [];
  for (const path of recordings) parts.push(...(await partsOf(path, media, problems)));
  const unit = unitOf(media);
  const source = await wholeFile(reference);
  const counts = unit === 'bytes' ? await byBytes(source, parts) : await byUnits(unit, source, parts);
  const camera = { name: reference, stream: '', media, unit, terms: 1, ...counts };
  return concludeReport([camera], problems);
}

type FileCounts = Omit<CameraReport, 'name' | 'stream' | 'media' | 'unit' | 'terms'>;

async function byUnits(unit: 'frames' | 'lines', source: Part, parts: readonly Part[]): Promise<FileCounts> {
  const given = await unitsOf(unit, [source]);
  const recorded = await unitsOf(unit, parts);
  const bytes = { bytes: lengthOf(source), bytesLost: 0, bytesDamaged: 0, bytesUnderWay: 0 };
  const result = compareFrames(given, recorded);
  if (!result.ok) {
    const counts = { frames: given.length, lost: 0, repeated: 0, damaged: 0, foreign: 0, ...bytes };
    return { ...counts, lostParts: [], problems: [`the reference proves nothing: ${result.detail}`] };
  }
  const { frames, lost, repeated, damaged, foreign, misplaced, lostRuns } = result.value;
  const lostParts = lostRuns.map((run) => ({ term: 0, ...run }));
  const problems = misplaced === 0 ? [] : [`${misplaced} ${unit} are in another order than in the reference`];
  return { frames, lost, repeated, damaged, foreign, ...bytes, lostParts, problems };
}

async function unitsOf(unit: 'frames' | 'lines', parts: readonly Part[]): Promise<readonly Hashed[]> {
  const units: Hashed[] = [];
  for (const part of parts) {
    const hasher = createUnitHasher(unit, { isByPlace: false });
    for await (const { bytes, offset } of bytesOf(readJoined(part))) {
      // One by one: a block may hold more lines than a call takes arguments.
      for (const one of hasher.push(bytes, offset)) units.push(one);
    }
    units.push(...hasher.finish());
  }
  return units;
}

async function byBytes(source: Part, parts: readonly Part[]): Promise<FileCounts> {
  let [lost, damaged] = [0, 0];
  for await (const { reference, recorded } of compareBytes(bytesOf(readJoined(source)), chain(parts))) {
    if (recorded === undefined) lost += reference.length;
    else damaged += countDifferent(reference, recorded);
  }
  const bytes = lengthOf(source);
  const foreign = Math.max(0, parts.reduce((sum, part) => sum + lengthOf(part), 0) - bytes);
  const counts = { frames: bytes, lost, repeated: 0, damaged, foreign };
  const problems = bytes === 0 ? ['the reference proves nothing: it has no bytes'] : [];
  return {
    ...counts,
    bytes,
    bytesLost: lost,
    bytesDamaged: damaged,
    bytesUnderWay: 0,
    lostParts: [],
    problems,
  };
}

async function* chain(parts: readonly Part[]): AsyncGenerator<PlacedBytes> {
  let offset = 0;
  for (const part of parts) {
    for await (const { bytes } of bytesOf(readJoined(part))) {
      yield { offset, bytes };
      offset += bytes.length;
    }
  }
}

async function partsOf(path: string, media: MediaType, problems: string[]): Promise<readonly Part[]> {
  if (!(await stat(path)).isDirectory()) return [await wholeFile(path)];
  const found = await readRecordings([path]);
  problems.push(...found.problems);
  const suitable = found.recordings.filter((recording) => recording.media === media);
  const names = suitable.map(({ name, stream }) => `${name}/${stream}`);
  if (names.length > 1) {
    throw new CommandError(`checking ${path}: it holds ${names.join(', ')}; name the folder of one of them`);
  }
  const extents = suitable.flatMap((recording) => recording.extents);
  return termsOf(extents).map((term) => extents.filter((extent) => extent.term === term));
}

async function wholeFile(path: string): Promise<Part> {
  return [{ path, term: 0, offset: 0, position: 0, length: (await stat(path)).size }];
}

function lengthOf(part: Part): number {
  return part.reduce((sum, { length }) => sum + length, 0);
}

/** By the file's extension, else a transport stream by its look, else bytes. */
async function mediaOf(path: string): Promise<MediaType> {
  const known = mediaOfExtension(extname(path));
  if (known !== undefined) return known;
  const handle = await open(path);
  try {
    const { buffer } = await handle.read(Buffer.alloc(377), 0, 377, 0);
    const isTransport = [0, 188, 376].every((at) => buffer[at] === 0x47);
    return isTransport ? 'video/mp2t' : 'application/octet-stream';
  } finally {
    await handle.close();
  }
}
