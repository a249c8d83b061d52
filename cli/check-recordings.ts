/** Checks recordings against what sources gave: whole folders, camera by camera. */
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Extent } from '../agent/sinks/recording-extents.ts';
import { termsOf } from '../agent/sinks/recording-reader.ts';
import { type Recording, readRecordings } from '../agent/sinks/recordings.ts';
import type { MediaType } from '../protocol/documents.ts';
import { type Unit, unitOf } from '../protocol/media/unit-hashes.ts';
import { type Counts, type LostPart, type TermReport, checkTerm, endOf } from './check-term.ts';

export interface CameraReport extends Counts {
  /** `namespace/name`, or a file. */
  readonly name: string;
  readonly stream: string;
  readonly media: MediaType;
  readonly unit: Unit;
  /** Starts of the client. */
  readonly terms: number;
  /** Which are lost, as far as they are frames or lines; at most 100 of a term. */
  readonly lostParts: readonly LostPart[];
  readonly problems: readonly string[];
}

export type CheckTotals = Counts;

export interface CheckReport {
  readonly cameras: readonly CameraReport[];
  readonly totals: CheckTotals;
  /** Of the recordings as such: damaged indexes, files that are shorter than they should be. */
  readonly problems: readonly string[];
  /** All is there, nothing else is, and the reference proves it. */
  readonly isWhole: boolean;
}

/** A camera that still gives does so several times a second. */
const growingMs = 700;

/**
 * Compares a folder of references (what `--keep-source` wrote) with one or several folders of recordings, joined by
 * (term, offset).
 *
 * @throws Error where a folder cannot be read
 */
export async function checkRecordings(folders: {
  readonly reference: string;
  readonly recordings: readonly string[];
}): Promise<CheckReport> {
  const references = await readRecordings([folders.reference]);
  const recorded = await readRecordings(folders.recordings);
  const cameras: CameraReport[] = [];
  for (const reference of references.recordings) {
    const found = recorded.recordings.find((recording) => isSameStream(recording, reference));
    cameras.push(await checkStream(reference, found));
  }
  const problems = [...references.problems, ...recorded.problems];
  if (cameras.length === 0) problems.push('the reference proves nothing: there is no source in it');
  return concludeReport(cameras, problems);
}

/** Adds up, and judges. */
export function concludeReport(cameras: readonly CameraReport[], problems: readonly string[]): CheckReport {
  const totals = addCounts(cameras);
  const isWhole =
    problems.length === 0 && cameras.every((camera) => camera.problems.length === 0) && isGood(totals);
  return { cameras, totals, problems, isWhole };
}

function isGood({ lost, damaged, foreign, bytesLost, bytesDamaged }: Counts): boolean {
  return lost + damaged + foreign + bytesLost + bytesDamaged === 0;
}

function isSameStream(a: Recording, b: Recording): boolean {
  return a.name === b.name && a.stream === b.stream && a.media === b.media;
}

async function checkStream(reference: Recording, recorded: Recording | undefined): Promise<CameraReport> {
  const { name, stream, media, extents } = reference;
  const unit = unitOf(media);
  const terms = termsOf(extents);
  const reports: TermReport[] = [];
  for (const term of terms) {
    const ofTerm = extents.filter((extent) => extent.term === term);
    const held = (recorded?.extents ?? []).filter((extent) => extent.term === term);
    const isGrowing = endOf(held) < endOf(ofTerm) && held.length > 0 && (await isWrittenTo(ofTerm));
    reports.push(await checkTerm({ unit, term, reference: ofTerm, recorded: held, isGrowing }));
  }
  const problems = reports.flatMap((report) => report.problems);
  const lostParts = reports.flatMap((report) => report.lostParts);
  return { name, stream, media, unit, terms: terms.length, ...addCounts(reports), lostParts, problems };
}

/** Whether a reference has grown since it was listed, or does so within a moment. */
async function isWrittenTo(extents: readonly Extent[]): Promise<boolean> {
  const hasGrown = async (): Promise<boolean> => {
    const sizes = await Promise.all(extents.map(async ({ path }) => (await stat(path)).size));
    return extents.some(({ position, length }, index) => (sizes[index] ?? 0) > position + length);
  };
  if (await hasGrown()) return true;
  await delay(growingMs);
  return hasGrown();
}

function addCounts(reports: readonly Counts[]): Counts {
  const sum = (count: keyof Counts): number => reports.reduce((total, report) => total + report[count], 0);
  return {
    frames: sum('frames'),
    lost: sum('lost'),
    repeated: sum('repeated'),
    damaged: sum('damaged'),
    foreign: sum('foreign'),
    bytes: sum('bytes'),
    bytesLost: sum('bytesLost'),
    bytesDamaged: sum('bytesDamaged'),
    bytesUnderWay: sum('bytesUnderWay'),
  };
}
