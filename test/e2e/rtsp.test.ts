import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type RtspOptions, openRtspSource } from '../../agent/sources/rtsp.ts';
import type { Source } from '../../agent/sources/source.ts';
import { hashFrames } from '../../protocol/media/frame-hashes.ts';
import { createScanner } from '../../protocol/media/scanners.ts';
import { frameHashes } from '../support/framehash.ts';
import { describeWith } from '../support/needs.ts';
import { type RtspCamera, encodeTestVideo, startRtspCamera } from '../support/rtsp-camera.ts';

// A quote, a space and an at sign: each has broken somebody's quoting.
const credentials = { username: 'admin', password: "p@ss'w rd-0815" };
const spellings = ["p@ss'w rd-0815", "p%40ss'w%20rd-0815", 'p%40ss%27w%20rd-0815', '0815'];

let directory = '';
const cleanups: (() => Promise<void>)[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'homing-rtsp-'));
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

/** What a source said and gave. */
class Watched {
  readonly chunks: Uint8Array[] = [];
  readonly states: string[] = [];
  restarts = 0;

  open(options: RtspOptions): Source {
    const source = openRtspSource(options, {
      onRestart: () => (this.restarts += 1),
      onBytes: (bytes) => this.chunks.push(bytes),
      onState: ({ ready, reason, message }) => this.states.push(`${ready} ${reason} ${message}`),
      onEnd: () => this.states.push('end'),
    });
    cleanups.push(() => source.close());
    return source;
  }

  get bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }
}

async function startCamera(file: string, audio: 'aac' | 'mulaw'): Promise<RtspCamera> {
  const camera = await startRtspCamera({ file: join(directory, file), ...credentials, audio });
  cleanups.push(() => camera.stop());
  return camera;
}

async function until(isSo: () => boolean): Promise<void> {
  for (let round = 0; !isSo(); round += 1) {
    if (round > 3000) throw new Error('it did not come true within 30 s');
    await delay(10);
  }
}

/** Command lines and environments of our children. */
async function seenOfChildren(): Promise<readonly { pid: number; text: string }[]> {
  const children = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8');
  const seen = [];
  for (const pid of children.trim().split(' ').map(Number)) {
    const texts = await Promise.all(
      ['cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'latin1')),
    );
    seen.push({ pid, text: texts.join('\n').replaceAll('\0', ' ') });
  }
  return seen;
}

async function received(watched: Watched, name: string): Promise<readonly string[]> {
  const path = join(directory, name);
  await writeFile(path, Buffer.concat(watched.chunks));
  return frameHashes(path);
}

describeWith(['ffmpeg', 'gst-rtsp-server'], 'a real RTSP camera', () => {
  beforeAll(() => {
    encodeTestVideo(join(directory, 'plain.mkv'), { seconds: 30, bFrames: 0, audio: 'aac' });
    encodeTestVideo(join(directory, 'bframes.mkv'), { seconds: 30, bFrames: 3, audio: 'mulaw' });
  });

  it('gives every frame from the first on, in one session, and shows its password nowhere', async () => {
    const camera = await startCamera('plain.mkv', 'aac');
    const watched = new Watched();
    const source = watched.open({ url: camera.url, credentials });
    await until(() => watched.bytes > 150_000);
    const ffmpeg = (await seenOfChildren()).filter(({ text }) => text.startsWith('ffmpeg'));
    await source.close();

    expect(ffmpeg).toHaveLength(1);
    for (const spelling of spellings) {
      for (const { text } of ffmpeg) expect(text).not.toContain(spelling);
      expect(watched.states.join('\n')).not.toContain(spelling);
    }
    expect(ffmpeg[0]?.text).not.toContain('127.0.0.1');
    const hashes = await received(watched, 'plain.ts');
    const reference = frameHashes(join(directory, 'plain.mkv'));
    expect(new Set(reference).size).toBe(reference.length);
    // The last one may have been cut off by the end.
    expect(hashes.length).toBeGreaterThan(30);
    expect(hashes.slice(0, -1)).toEqual(reference.slice(0, hashes.length - 1));
    await until(() => camera.events.includes('closed'));
    expect(camera.events.filter((event) => event === 'session')).toHaveLength(1);
  });

  it('gives every frame of H.265, with places to cut at', async () => {
    const film = join(directory, 'hevc.mkv');
    encodeTestVideo(film, { seconds: 30, bFrames: 0, audio: 'aac', video: 'h265' });
    const camera = await startRtspCamera({ file: film, ...credentials, audio: 'aac', video: 'h265' });
    cleanups.push(() => camera.stop());
    const watched = new Watched();
    const source = watched.open({ url: camera.url, credentials });
    const cuts: number[] = [];
    await until(() => {
      const marks = createScanner('video/mp2t').push(Buffer.concat(watched.chunks));
      cuts.splice(0, Infinity, ...marks.flatMap((mark) => (mark.kind === 'cut' ? mark.offset : [])));
      return cuts.length >= 3;
    });
    await source.close();
    const path = join(directory, 'hevc-got.ts');
    await writeFile(path, Buffer.concat(watched.chunks));
    const [hashes, reference] = [frameHashes(path, 'hevc'), frameHashes(film, 'hevc')];
    expect(new Set(reference).size).toBe(reference.length);
    expect(hashes.slice(0, -1)).toEqual(reference.slice(0, hashes.length - 1));
    expect(hashFrames(await readFile(path)).map(({ hash }) => hash)).toEqual(hashes);
  });

  it('is called again when ffmpeg dies, as a new source session', async () => {
    const camera = await startCamera('plain.mkv', 'aac');
    const watched = new Watched();
    watched.open({ url: camera.url, credentials });
    await until(() => watched.bytes > 50_000);
    const [ffmpeg] = (await seenOfChildren()).filter(({ text }) => text.startsWith('ffmpeg'));
    // Never a made-up number in its place: -1 means every process of the machine.
    if (ffmpeg === undefined) throw new Error('there is no ffmpeg among our children');
    process.kill(ffmpeg.pid, 'SIGKILL');
    await until(() => watched.restarts === 1);
    // Until the camera has forgotten the session of the dead one, it has none left.
    expect(watched.states.filter((state) => state.startsWith('true'))).toHaveLength(2);
    expect(watched.states.some((state) => state.startsWith('false Busy '))).toBe(true);
  });

  it('is read although it sends B-frames without decoding times and G.711 audio', async () => {
    const camera = await startCamera('bframes.mkv', 'mulaw');
    const watched = new Watched();
    const source = watched.open({ url: camera.url, credentials });
    await until(() => watched.bytes > 150_000);
    await source.close();
    const hashes = await received(watched, 'bframes.ts');
    const reference = frameHashes(join(directory, 'bframes.mkv'));
    expect(hashes.length).toBeGreaterThan(30);
    expect(hashes.slice(0, -1)).toEqual(reference.slice(0, hashes.length - 1));
    // Nothing of the attempts that taught how to read it was given on.
    expect(watched.restarts).toBe(0);
  });

  it('is not tried again and again with a wrong password, which is shown nowhere either', async () => {
    const camera = await startCamera('plain.mkv', 'aac');
    const watched = new Watched();
    watched.open({ url: camera.url, credentials: { ...credentials, password: 'wrong-0815' } });
    await until(() => watched.states.length > 0);
    await delay(3000);
    expect(watched.states).toHaveLength(1);
    expect(watched.states[0]).toMatch(/^false Unauthorized reading .* refuses the user name or the password/);
    expect(watched.states[0]).not.toContain('0815');
    expect(watched.bytes).toBe(0);
  });
});

describeWith(['ffmpeg'], 'cameras that are read by ffmpeg', () => {
  it('may speak HTTP, with the password in the address', async () => {
    encodeTestVideo(join(directory, 'http.ts'), { seconds: 2, bFrames: 0, audio: 'aac' });
    const file = await readFile(join(directory, 'http.ts'));
    const basic = `Basic ${Buffer.from('admin:secret-0815').toString('base64')}`;
    const server = createServer((request, response) => {
      if (request.headers.authorization === basic) response.end(file);
      else response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="camera"' }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(async () => void server.close());
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const watched = new Watched();
    watched.open({ url: `http://admin:secret-0815@127.0.0.1:${port}/live.ts?key=4711` });
    await until(() => watched.states.some((state) => state.startsWith('false')));
    expect(await received(watched, 'http-got.ts')).toEqual(frameHashes(join(directory, 'http.ts')));
    expect(watched.states.join('\n')).not.toMatch(/0815|4711/);
  });

  it('that answer nothing, or are not there, are said to be so', async () => {
    const watched = new Watched();
    watched.open({ url: 'rtsp://127.0.0.1:9/main', credentials });
    await until(() => watched.states.length > 0);
    expect(watched.states[0]).toMatch(/^false Refused /);
  });

  it('leave no ffmpeg behind', async () => {
    await delay(100);
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const ours = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')));
    expect(
      ours.filter((stat) => stat.includes('(ffmpeg)') && stat.split(' ')[3] === `${process.pid}`),
    ).toEqual([]);
  });
});
