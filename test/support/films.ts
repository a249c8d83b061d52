/** Films for tests: every medium that a client can give, a minute of each by real encoders, no two frames alike. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const seconds = 60;
const fps = 12;
const runFile = promisify(execFile);

/** Makes one film below a folder. */
export type MakeFilm = (folder: string, name: string) => Promise<void>;

export interface Encoding {
  readonly encoder: 'libx264' | 'libx265' | 'mpeg2video';
  /** Of x264 or x265. */
  readonly parameters?: string;
  readonly sound?: boolean;
  readonly size?: string;
  /** Further options of the muxer. */
  readonly muxing?: readonly string[];
}

const tone = ['-f', 'lavfi', '-i', 'aevalsrc=0.5*sin(2*PI*(300+9*t)*t)'];

function encodingArgs({ encoder, parameters, sound = false, size = '256x192' }: Encoding): readonly string[] {
  const picture = ['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=${fps}`];
  const coding: Readonly<Record<Encoding['encoder'], readonly string[]>> = {
    libx264: ['-preset', 'superfast', '-x264-params', parameters ?? ''],
    libx265: ['-preset', 'ultrafast', '-x265-params', `log-level=1:${parameters}`],
    mpeg2video: ['-g', '12', '-bf', '2', '-b:v', '400k', '-r', '25'],
  };
  const streams = [...picture, ...(sound ? tone : []), '-t', `${seconds}`];
  return [
    ...streams,
    '-pix_fmt',
    'yuv420p',
    '-c:v',
    encoder,
    ...coding[encoder],
    ...(sound ? ['-c:a', 'aac'] : []),
  ];
}

async function ffmpeg(args: readonly string[]): Promise<void> {
  await runFile('ffmpeg', ['-v', 'error', '-y', ...args]);
}

/** One encoder's film. */
export function film(encoding: Encoding): MakeFilm {
  return async (folder, name) => {
    await ffmpeg([
      ...encodingArgs(encoding),
      ...(encoding.muxing ?? []),
      '-f',
      'mpegts',
      join(folder, `${name}.ts`),
    ]);
  };
}

export const soundFilm: MakeFilm = async (folder, name) => {
  await ffmpeg([...tone, '-t', `${seconds}`, '-c:a', 'aac', '-f', 'mpegts', join(folder, `${name}.ts`)]);
};

/** Two encoders take turns, a key frame and two seconds each: as a camera whose settings are changed while it runs. */
export function turns(first: Encoding, second: Encoding): MakeFilm {
  return async (folder, name) => {
    const parts = [await pieces(folder, first), await pieces(folder, second)];
    const counters = new Map<number, number>();
    const taken: Buffer[] = [];
    for (let turn = 0; turn < seconds / 2; turn += 1) {
      const path = parts[turn % 2]?.[turn];
      if (path !== undefined) taken.push(renumbered(await readFile(path), counters));
    }
    await writeFile(join(folder, `${name}.ts`), Buffer.concat(taken));
  };
}

/** A film in pieces of two seconds; times go on from piece to piece, counters do not. */
async function pieces(
  folder: string,
  encoding: Encoding,
  more: readonly string[] = [],
): Promise<readonly string[]> {
  const below = await mkdtemp(join(folder, 'pieces-'));
  const cutting = ['-f', 'segment', '-segment_time', '2', '-segment_format', 'mpegts'];
  const muxing = encoding.muxing === undefined ? [] : ['-segment_format_options', encoding.muxing.join(':')];
  await ffmpeg([...encodingArgs(encoding), ...cutting, ...muxing, ...more, join(below, '%03d.ts')]);
  return (await readdir(below)).toSorted().map((file) => join(below, file));
}

/** Sessions of a camera that is restarted every two seconds: each with counters and times of its own. */
export async function sessions(folder: string, encoding: Encoding): Promise<readonly string[]> {
  return pieces(folder, encoding, ['-reset_timestamps', '1']);
}

/** Puts a file in another's place, whole or not at all: who reads that one reads on in it. */
export async function replaceFile(path: string, by: string): Promise<void> {
  const beside = `${path}.next`;
  await writeFile(beside, await readFile(by));
  await rename(beside, path);
}

/** Continuity counters that go on, as one muxer writes them. */
function renumbered(bytes: Buffer, counters: Map<number, number>): Buffer {
  for (let at = 0; at < bytes.length; at += 188) {
    const pid = bytes.readUInt16BE(at + 1) & 0x1fff;
    const flags = bytes[at + 3] ?? 0;
    const counter = ((counters.get(pid) ?? 15) + ((flags & 0x10) === 0 ? 0 : 1)) & 0x0f;
    counters.set(pid, counter);
    bytes[at + 3] = (flags & 0xf0) | counter;
  }
  return bytes;
}

/** What a sensor says. */
export const lines: MakeFilm = async (folder, name) => {
  const said = Array.from({ length: 150_000 }, (_, n) => {
    return `{"n":${n},"celsius":${(20 + Math.sin(n / 100)).toFixed(3)},"note":"${'.'.repeat(n % 83)}"}\n`;
  });
  await writeFile(join(folder, `${name}.ndjson`), said.join(''));
};

/** Bytes that say nothing, no two blocks alike. */
export const noise: MakeFilm = async (folder, name) => {
  const bytes = Buffer.alloc(16 << 20);
  let state = 1;
  for (let at = 0; at < bytes.length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE(state, at);
  }
  await writeFile(join(folder, `${name}.bin`), bytes);
};
