/** Holds what servers recorded of a film against the film, with ffmpeg as the judge of frames. */
import { existsSync } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect } from 'vitest';
import { frameHashes, pictureHashes, runFfmpeg } from './framehash.ts';
import { joinRecordings } from './join-recordings.ts';
import type { PluggableHome } from './pluggable-home.ts';
import { filesBelow } from './video-home.ts';

/** Encodes pictures that are all different, with B-frames and sound. @param gop frames from key frame to key frame */
export function encodeFilm(
  file: string,
  { seconds, gop }: { readonly seconds: number; readonly gop: number },
): void {
  const pictures = '-f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i';
  const codecs = `-t ${seconds} -c:v libx264 -preset ultrafast -bf 2 -sc_threshold 0 -pix_fmt yuv420p -c:a aac -f mpegts -y`;
  const keys = ['-g', `${gop}`, '-keyint_min', `${gop}`];
  runFfmpeg('ffmpeg', [
    ...pictures.split(' '),
    'aevalsrc=0.5*sin(2*PI*(300+20*t)*t)',
    ...keys,
    ...codecs.split(' '),
    file,
  ]);
}

export interface Term {
  readonly term: number;
  /** What the source gave in it, by `--keep-source`. */
  readonly source: string;
}

/** The terms that clients gave, in order. */
export async function termsOf(home: PluggableHome): Promise<readonly Term[]> {
  const files = existsSync(home.kept) ? await filesBelow(home.kept) : [];
  return files
    .map((source) => ({ source, term: Number(basename(source).split('-')[0]) }))
    .toSorted((a, b) => a.term - b.term);
}

export interface Held {
  /** Frames that the source gave. */
  readonly frames: number;
  /** Of them, how many a second server has too. */
  readonly repeated: number;
}

/** Expects that the servers together have every byte and frame of a term, and that what several have is the same. */
export async function expectWhole(home: PluggableHome, { term, source }: Term): Promise<Held> {
  const joined = await joinRecordings(home.allRecordings, term);
  expect(joined.problems).toEqual([]);
  expect(joined.notes.filter((note) => !note.startsWith('overlap') || note.includes('differs'))).toEqual([]);
  expect(joined.first).toBe(0);
  const given = await readFile(source);
  expect(joined.bytes.length).toBe(given.length);
  expect(joined.bytes.equals(given)).toBe(true);

  const path = home.path(`joined-${term}.ts`);
  await writeFile(path, joined.bytes);
  const frames = frameHashes(source);
  // Where two are alike one could be lost unseen.
  expect(new Set(frames).size).toBe(frames.length);
  expect(frameHashes(path)).toEqual(frames);
  expect(pictureHashes(path)).toEqual(pictureHashes(source));
  return { frames: frames.length, repeated: await countRepeated(home, term, new Set(frames)) };
}

/** Expects that what the servers have of a term is what the source gave first, and gives how many of its bytes that is. */
export async function expectBeginning(
  home: PluggableHome,
  { term, source }: Term,
): Promise<{ readonly bytes: number; readonly of: number }> {
  const joined = await joinRecordings(home.allRecordings, term);
  const given = await readFile(source);
  expect(joined.notes.filter((note) => !note.startsWith('overlap') || note.includes('differs'))).toEqual([]);
  expect(joined.bytes.equals(given.subarray(0, joined.bytes.length))).toBe(true);
  return { bytes: joined.bytes.length, of: given.length };
}

/** Frames of a term that no server has. @returns also how many holes of bytes there are */
export async function findMissing(
  home: PluggableHome,
  { term, source }: Term,
): Promise<{ readonly frames: number; readonly missing: number; readonly holes: number }> {
  const joined = await joinRecordings(home.allRecordings, term);
  const path = home.path(`joined-${term}.ts`);
  await writeFile(path, joined.bytes);
  const frames = frameHashes(source);
  expect(new Set(frames).size).toBe(frames.length);
  const held = new Set(frameHashes(path));
  const missing = frames.filter((hash) => !held.has(hash)).length;
  return {
    frames: frames.length,
    missing,
    holes: joined.notes.filter((note) => note.startsWith('hole')).length,
  };
}

/** Whole frames that are in more than one place, however often. */
async function countRepeated(
  home: PluggableHome,
  term: number,
  frames: ReadonlySet<string>,
): Promise<number> {
  let count = 0;
  const seen = new Set<string>();
  for (const folder of home.allRecordings) {
    // A frame that goes on in the next file of the same server is one frame.
    const files = await filesOf(folder, term);
    const own = new Set(files.flatMap((file) => frameHashes(file)).filter((hash) => frames.has(hash)));
    count += [...own].filter((hash) => seen.has(hash)).length;
    for (const hash of own) seen.add(hash);
  }
  return count;
}

async function filesOf(folder: string, term: number): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const own = entries.filter(({ name }) => name.startsWith(`${term}-`) && name.endsWith('.ts'));
  return own.map(({ parentPath, name }) => join(parentPath, name));
}
