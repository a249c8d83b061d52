/**
 * Every medium through a redirect and through the death of the server that holds it, as whole processes, all at once: two
 * agents, one of which bridges a camera a medium. ffmpeg judges what was recorded.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseIndexLine, type IndexLine } from '../../agent/sinks/record-index.ts';
import type { MediaType } from '../../protocol/documents.ts';
import { hashFrames } from '../../protocol/media/frame-hashes.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { runHoming } from '../support/agent-process.ts';
import {
  type MakeFilm,
  film,
  lines,
  noise,
  replaceFile,
  sessions,
  soundFilm,
  turns,
} from '../support/films.ts';
import { type CodedAs, audioHashes, frameHashes } from '../support/framehash.ts';
import { joinRecordings } from '../support/join-recordings.ts';
import { describeWith } from '../support/needs.ts';
import { VideoHome } from '../support/video-home.ts';

/** How long a part of a stream lasts before something happens to it, or ends: several key frames. */
const whileMs = 3000;

interface Medium {
  /** Of the camera and of its film. */
  readonly name: string;
  readonly what: string;
  /** Default `video/mp2t`. */
  readonly media?: MediaType;
  readonly make: MakeFilm;
  /** How good the place is that the redirect cuts at. */
  readonly cut: 'idr' | 'recovery' | 'lossy';
  /** ffmpeg's hashes of a file, where it can read it. */
  readonly hashes?: (file: string) => readonly string[];
  /** The reason of a `begin` that its recordings must tell of. */
  readonly begins?: 'codec' | 'source';
  /** Of the CameraClient. */
  readonly spec?: string;
}

const frames = (codec: CodedAs) => (file: string) => frameHashes(file, codec);
const oneSecond = 'keyint=12:min-keyint=12:scenecut=0';
const small = { encoder: 'libx264', parameters: oneSecond, size: '160x128' } as const;

const media: readonly Medium[] = [
  {
    name: 'closed',
    what: 'H.264 with B-frames and sound',
    make: film({ encoder: 'libx264', parameters: `${oneSecond}:bframes=2`, sound: true }),
    cut: 'idr',
    hashes: frames('h264'),
  },
  {
    name: 'open',
    what: 'H.264 in open GOPs',
    make: film({ encoder: 'libx264', parameters: `${oneSecond}:bframes=3:b-adapt=0:open-gop=1` }),
    cut: 'recovery',
    hashes: frames('h264'),
  },
  {
    name: 'refresh',
    what: 'H.264 with intra refresh',
    make: film({ encoder: 'libx264', parameters: `${oneSecond}:intra-refresh=1` }),
    cut: 'recovery',
    hashes: frames('h264'),
  },
  {
    name: 'smart',
    what: 'H.264 with 20 s between key frames',
    make: film({ encoder: 'libx264', parameters: 'keyint=240:min-keyint=240:scenecut=0:bframes=2' }),
    cut: 'lossy',
    hashes: frames('h264'),
    spec: 'handover: {cutWait: 1s}',
  },
  {
    name: 'hevc',
    what: 'H.265 in closed GOPs with sound',
    make: film({ encoder: 'libx265', parameters: `${oneSecond}:open-gop=0:bframes=3`, sound: true }),
    cut: 'idr',
    hashes: frames('hevc'),
  },
  {
    name: 'cra',
    what: 'H.265 in open GOPs',
    make: film({ encoder: 'libx265', parameters: `${oneSecond}:open-gop=1:bframes=3` }),
    cut: 'recovery',
    hashes: frames('hevc'),
  },
  {
    name: 'hevc-refresh',
    what: 'H.265 with intra refresh',
    make: film({ encoder: 'libx265', parameters: `${oneSecond}:intra-refresh=1:bframes=0` }),
    cut: 'recovery',
    hashes: frames('hevc'),
  },
  {
    name: 'mpeg2',
    what: 'MPEG-2, whose pictures we do not read',
    make: film({ encoder: 'mpeg2video' }),
    cut: 'recovery',
    hashes: frames('other'),
  },
  { name: 'sound', what: 'sound alone', make: soundFilm, cut: 'idr', hashes: audioHashes },
  {
    name: 'codec',
    what: 'another picture size every two seconds',
    make: turns({ encoder: 'libx264', parameters: oneSecond }, small),
    cut: 'idr',
    hashes: frames('h264'),
    begins: 'codec',
  },
  {
    name: 'pmt',
    what: 'H.264 with sound and H.265 without by turns',
    make: turns(
      { encoder: 'libx264', parameters: oneSecond, sound: true },
      { encoder: 'libx265', parameters: `${oneSecond}:open-gop=0`, muxing: ['mpegts_start_pid=0x200'] },
    ),
    cut: 'idr',
    hashes: (file) => [...frameHashes(file, 'h264'), ...frameHashes(file, 'hevc', '0:v:1')],
    begins: 'codec',
  },
  {
    name: 'restarts',
    what: 'a camera that is restarted every two seconds',
    make: async (folder, name) => {
      const pieces = await sessions(folder, { encoder: 'libx264', parameters: oneSecond });
      await replaceFile(join(folder, `${name}.ts`), pieces[0] ?? '');
      restarts = pieces.slice(1);
    },
    cut: 'idr',
    begins: 'source',
  },
  { name: 'lines', what: 'a sensor’s lines', media: 'application/x-ndjson', make: lines, cut: 'idr' },
  {
    name: 'noise',
    what: 'bytes of no known kind',
    media: 'application/octet-stream',
    make: noise,
    cut: 'idr',
  },
];

const extensions: Readonly<Record<MediaType, string>> = {
  'video/mp2t': 'ts',
  'application/x-ndjson': 'ndjson',
  'text/plain': 'txt',
  'application/octet-stream': 'bin',
};

/** What the restarted camera gives in its next sessions. */
let restarts: readonly string[] = [];

const fileOf = ({ name, media: type = 'video/mp2t' }: Medium): string => `${name}.${extensions[type]}`;

function documentOf(medium: Medium): string {
  const { name, media: type = 'video/mp2t', spec = '' } = medium;
  const loop = medium.begins === 'source';
  return `apiVersion: homing.dev/v1alpha1
kind: CameraClient
metadata: {name: ${name}, namespace: yard}
spec:
  source: {file: {name: ${fileOf(medium)}, loop: ${loop}}, media: ${type}}
  bridge: {servers: [pi]}
  ${spec}
---
`;
}

async function twoAtATime(tasks: readonly (() => Promise<void>)[]): Promise<void> {
  const waiting = [...tasks];
  const worker = async (): Promise<void> => {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) await task();
  };
  await Promise.all([worker(), worker()]);
}

/** Lets the restarted camera give another piece each time that it begins anew. */
async function restartOn(pi: AgentProcess, path: string): Promise<void> {
  for (const [index, piece] of restarts.entries()) {
    await pi.until('source', ({ client, ready }) => client === 'yard/restarts' && ready, index + 1);
    await replaceFile(path, piece);
  }
}

let home: VideoHome;
let pi: AgentProcess;
const ended: { code?: number | null } = {};

/** The story: all stream to `pi`, `nuc` comes, is better, and is killed. */
async function play(): Promise<void> {
  home = await VideoHome.open();
  for (const server of ['pi', 'nuc']) await home.issueServer(server);
  for (const { name } of media) await home.issueCamera(name);
  const films = home.path('films');
  await mkdir(films);
  await twoAtATime(
    media.map(
      ({ make, name }) =>
        () =>
          make(films, name),
    ),
  );
  const started = await home.startServer({
    name: 'pi',
    features: ['record'],
    documents: media.map(documentOf).join(''),
    more: ['--client-certs', home.folder, '--media', films, '--keep-source', home.kept],
  });
  pi = started.agent;
  void restartOn(pi, join(films, 'restarts.ts')).catch(() => undefined);
  await pi.until('connected', ({ to }) => to === 'pi', media.length);
  await delay(whileMs);
  const { agent: nuc } = await home.startServer({ name: 'nuc', features: ['record', 'gpu'] });
  await pi.until('handedOver', ({ to }) => to === 'nuc', media.length);
  await delay(whileMs);
  await nuc.end('SIGKILL');
  await pi.until('handedOver', ({ from, to }) => from === 'nuc' && to === 'pi', media.length);
  await delay(whileMs);
  ended.code = await pi.end();
  await check();
}

/** By `homing check`, in the unit of each stream. */
interface Checked {
  readonly name: string;
  readonly unit: string;
  readonly lost: number;
  readonly repeated: number;
}
const checked = new Map<string, Checked>();

async function check(): Promise<void> {
  const recordings = ['pi', 'nuc'].map((server) => home.recordings(server));
  const { stdout } = await runHoming('check', home.kept, ...recordings, '--json');
  const { cameras }: { readonly cameras: readonly Checked[] } = JSON.parse(stdout);
  for (const camera of cameras) checked.set(camera.name, camera);
}

const folderOf = (server: string, name: string): string =>
  join(home.recordings(server), 'yard', name, 'main');

/** All that both servers hold of one camera, joined, beside what the camera gave. */
async function joined(medium: Medium) {
  const { name } = medium;
  const folder = join(home.kept, 'yard', name, 'main');
  const [given = ''] = await readdir(folder);
  const { first, bytes, notes, problems } = await joinRecordings(
    ['pi', 'nuc'].map((server) => folderOf(server, name)),
    Number(given.split('-')[0]),
  );
  const path = home.path(`joined-${fileOf(medium)}`);
  await writeFile(path, bytes);
  return { reference: join(folder, given), path, bytes, first, notes: [...notes, ...problems] };
}

interface Parts {
  readonly lines: readonly IndexLine[];
  readonly files: readonly string[];
}

async function partsOf({ name }: Medium): Promise<Parts> {
  const folders = ['pi', 'nuc'].map((server) => folderOf(server, name)).filter((path) => existsSync(path));
  const all = await Promise.all(
    folders.map(async (folder) => {
      const index = await readFile(join(folder, 'index.jsonl'), 'utf8');
      const names = (await readdir(folder)).filter((file) => !file.endsWith('.jsonl'));
      return {
        lines: index.split('\n').flatMap((line) => parseIndexLine(line) ?? []),
        files: names.map((file) => join(folder, file)),
      };
    }),
  );
  return { lines: all.flatMap((one) => one.lines), files: all.flatMap((one) => one.files) };
}

/** ffmpeg can read these. */
const judged = media.flatMap(({ hashes, ...medium }) => (hashes === undefined ? [] : { ...medium, hashes }));
const changing = media.filter(({ begins }) => begins !== undefined);
const transport = media.filter(({ media: type }) => type === undefined);
/** Not the one whose parts may end between tables that name a sound and the first of it. */
const clean = transport.filter(({ cut, name }) => cut === 'idr' && name !== 'pmt');

const clientOf = ({ name }: Medium): string => `yard/${name}`;

describeWith(['ffmpeg'], 'while two agents hand it over twice', () => {
  beforeAll(play, 300_000);
  afterAll(() => home.close());

  it.each(media)('nothing is lost by their own count: $what', (medium) => {
    const client = clientOf(medium);
    const moves = pi.of('handedOver').filter((event) => event.client === client);
    expect(moves).toMatchObject([
      { from: 'pi', to: 'nuc', reason: 'rank', framesLost: 0 },
      { from: 'nuc', to: 'pi', framesLost: 0 },
    ]);
    const cuts = pi.of('cut').filter((event) => event.client === client);
    expect(cuts.map(({ quality }) => quality)).toEqual([medium.cut]);
    expect(checked.get(client)?.lost).toBe(0);
  });

  it.each(media)('every byte is recorded, in its place: $what', async (medium) => {
    const { reference, bytes, first, notes } = await joined(medium);
    expect(first).toBe(0);
    expect(notes.filter((note) => !note.startsWith('overlap') || note.includes('differs'))).toEqual([]);
    expect(bytes.equals(await readFile(reference))).toBe(true);
  });

  it.each(judged)('every frame is recorded by ffmpeg’s word: $what', async (medium) => {
    const { reference, path } = await joined(medium);
    const given = medium.hashes(reference);
    expect(given.length).toBeGreaterThan(30);
    // Where two are alike one could be lost unseen.
    expect(new Set(given).size).toBe(given.length);
    expect(medium.hashes(path)).toEqual(given);
  });

  it.each(media)('what is recorded twice is what two servers were given: $what', async (medium) => {
    const client = clientOf(medium);
    const { lines: index } = await partsOf(medium);
    const begins = index.filter(({ why }) => why === 'handover' || why === 'replay');
    const overlaps = overlapStarts((await joined(medium)).notes);
    expect(begins.map(({ offset }) => offset)).toEqual(expect.arrayContaining([...overlaps]));
    const moves = pi.of('handedOver').filter((event) => event.client === client);
    const told = moves.reduce((sum, { framesRepeated }) => sum + framesRepeated, 0);
    const { repeated, unit } = checked.get(client) ?? { repeated: Infinity, unit: 'none' };
    // The client counts bytes in the pieces that it was given.
    expect(unit === 'bytes' ? 0 : repeated).toBeLessThanOrEqual(told);
  });

  it.each(changing)('a file begins where bytes do not continue: $what', async (medium) => {
    const { lines: index } = await partsOf(medium);
    const changes = index.filter(({ why }) => why === medium.begins);
    expect(changes.length).toBeGreaterThanOrEqual(3);
    for (const { offset, file, position } of changes) {
      expect({ position, file }).toEqual({ position: 0, file: expect.stringContaining(`-${offset}.`) });
    }
  });

  it.each(transport)('each file is whole by itself, tables first: $what', async (medium) => {
    const { files } = await partsOf(medium);
    const found = new Set<string>();
    for (const file of files) {
      const bytes = await readFile(file);
      // The program association table has PID 0.
      expect(bytes.readUInt16BE(1) & 0x1fff).toBe(0);
      for (const { hash } of hashFrames(bytes)) found.add(hash);
    }
    const { reference } = await joined(medium);
    const given = hashFrames(await readFile(reference)).map(({ hash }) => hash);
    expect(new Set(given).size).toBe(given.length);
    // The end came in the middle of a frame.
    expect(given.slice(0, -1).filter((hash) => !found.has(hash))).toEqual([]);
  });

  it.each(clean)(
    'a file that begins at a fresh start is decoded without a complaint: $what',
    async (medium) => {
      const complete = await completeFiles(medium);
      expect(complete.length).toBeGreaterThan(0);
      const decoded = complete.map((file) =>
        spawnSync('ffmpeg', ['-v', 'error', '-i', file, '-map', '0', '-f', 'null', '-'], {
          encoding: 'utf8',
        }),
      );
      expect(decoded.map(({ status, stderr }) => `${status} ${stderr}`)).toEqual(complete.map(() => '0 '));
    },
  );

  it('an agent that ends lets them all go', () => {
    expect(ended.code).toBe(0);
  });
});

/** All but the last file of a server: that one ends in the middle of a frame. */
async function completeFiles({ name }: Medium): Promise<readonly string[]> {
  const offsetOf = (file: string): number => Number(file.split(/[-.]/)[1]);
  const found = await Promise.all(
    ['pi', 'nuc'].map(async (server) => {
      const folder = folderOf(server, name);
      const files = (await readdir(folder)).filter((file) => !file.endsWith('.jsonl'));
      const sorted = files.toSorted((a, b) => offsetOf(a) - offsetOf(b));
      return sorted.slice(0, -1).map((file) => join(folder, file));
    }),
  );
  return found.flat();
}

/** Where spans begin that several files hold. */
function overlapStarts(notes: readonly string[]): readonly number[] {
  const spans = notes.map((note) => (note.split(' ')[1] ?? '').split('-').map(Number));
  const ends = new Set(spans.map(([, to]) => to));
  return spans.flatMap(([from = -1]) => (ends.has(from) ? [] : [from]));
}
