/** The main promise, on real H.264 with sound: whole processes, real multicast on `lo`, and ffmpeg as the judge. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HomingProcess, runHoming } from '../support/agent-process.ts';
import { audioHashes, frameHashes, pictureHashes } from '../support/framehash.ts';
import { describeWith } from '../support/needs.ts';
import { type RtspCamera, encodeTestVideo, startRtspCamera } from '../support/rtsp-camera.ts';
import { VideoHome, filesBelow, textBelow } from '../support/video-home.ts';

/** How long a part of a stream lasts before something happens to it, or ends: several key frames. */
const whileMs = 2500;
const weak = { name: 'pi', features: ['record'] };
const strong = { name: 'nuc', features: ['record', 'gpu'] };

let home: VideoHome;
const cleanups: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  home = await VideoHome.open();
  await home.issueServer('pi');
  await home.issueServer('nuc');
  await home.issueCamera('door');
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  await home.close();
});

interface Encoder {
  readonly output: Readable;
  /** What it has written. */
  readonly chunks: Buffer[];
  /** It writes what it has, and ends. */
  end(): Promise<void>;
}

/** An encoder at the pace of a camera: pictures that are all different, B-frames, and a tone that rises. */
function startEncoder(): Encoder {
  const pictures = '-re -f lavfi -i testsrc2=size=640x360:rate=25 -re -f lavfi -i';
  const codecs = '-t 60 -c:v libx264 -preset veryfast -g 25 -bf 2 -pix_fmt yuv420p -c:a aac -f mpegts -';
  const tone = 'aevalsrc=0.5*sin(2*PI*(300+20*t)*t)';
  const args = ['-v', 'error', ...pictures.split(' '), tone, ...codecs.split(' ')];
  const child: ChildProcessByStdio<null, Readable, null> = spawn('ffmpeg', args, {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  cleanups.push(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => chunks.push(bytes));
  return {
    output: child.stdout,
    chunks,
    async end() {
      child.kill('SIGTERM');
      await closed;
    },
  };
}

/** An encoder that streams to `pi` through a pipe. */
async function streamPipe(): Promise<{ readonly encoder: Encoder; readonly door: HomingProcess }> {
  const { address } = await home.startServer(weak);
  const encoder = startEncoder();
  const options = [
    ...home.identity('door'),
    '--server',
    address,
    '--source',
    '-',
    '--keep-source',
    home.kept,
  ];
  const door = home.owns(new HomingProcess('connect', options, encoder.output));
  await door.until('connected', ({ to }) => to === 'pi');
  await delay(whileMs);
  return { encoder, door };
}

/** Holds what both recorded against what the source gave, by our own word and by ffmpeg's. */
async function expectNothingLost(source: string): Promise<void> {
  const recordings = ['pi', 'nuc'].map((server) => home.recordings(server));
  const check = await runHoming('check', home.kept, ...recordings, '--json');
  expect(JSON.parse(check.stdout)).toMatchObject({ isWhole: true, totals: { lost: 0, bytesLost: 0 } });
  expect(check.code).toBe(0);

  const joined = await home.join(['pi', 'nuc']);
  expect(joined.first).toBe(0);
  expect(joined.notes.filter((note) => !note.startsWith('overlap') || note.includes('differs'))).toEqual([]);
  expect(joined.bytes.equals(await readFile(joined.reference))).toBe(true);
  for (const hashesOf of [frameHashes, pictureHashes, audioHashes]) {
    const given = hashesOf(source);
    // Where two are alike one could be lost unseen.
    expect(new Set(given).size).toBe(given.length);
    expect(given.length).toBeGreaterThan(30);
    expect(hashesOf(joined.path)).toEqual(given);
  }
}

/** The same without any code of ours: each file by itself, and what is in both of them once. */
async function expectFilesWholeByThemselves(source: string): Promise<void> {
  const given = frameHashes(source);
  const [before, after] = await Promise.all(
    ['pi', 'nuc'].map((server) => filesBelow(home.recordings(server))),
  );
  // The first server's part ends where the second one's has begun: in the middle of a frame that the second has whole.
  const atFirst = (before ?? []).flatMap((file) => frameHashes(file)).slice(0, -1);
  const then = (after ?? []).flatMap((file) => frameHashes(file));
  expect([...new Set([...atFirst, ...then])]).toEqual(given);
  expect(Math.max(atFirst.length, then.length)).toBeLessThan(given.length);
}

describeWith(['ffmpeg'], 'H.264 with sound from a pipe', () => {
  it('goes to a better server without the loss of a frame', async () => {
    const { encoder, door } = await streamPipe();
    await home.startServer(strong);
    const [moved] = await door.until('handedOver', ({ to }) => to === 'nuc');
    expect(moved).toMatchObject({ client: 'yard/door', from: 'pi', reason: 'rank', framesLost: 0 });
    await delay(whileMs);
    await encoder.end();
    expect(await door.ended).toBe(0);

    const source = home.path('source.ts');
    await writeFile(source, Buffer.concat(encoder.chunks));
    const [kept = ''] = await filesBelow(home.kept);
    expect((await readFile(kept)).equals(Buffer.concat(encoder.chunks))).toBe(true);
    await expectNothingLost(source);
    await expectFilesWholeByThemselves(source);
  });

  it('goes back without the loss of a frame when the better server is killed', async () => {
    const { encoder, door } = await streamPipe();
    const { agent: nuc } = await home.startServer(strong);
    await door.until('handedOver', ({ to }) => to === 'nuc');
    await delay(whileMs);
    await nuc.end('SIGKILL');
    await door.until('handedOver', ({ from, to }) => from === 'nuc' && to === 'pi');
    await delay(whileMs);
    await encoder.end();
    expect(await door.ended).toBe(0);

    const source = home.path('source.ts');
    await writeFile(source, Buffer.concat(encoder.chunks));
    await expectNothingLost(source);
  });
});

// An at sign, a quote and a space: each has broken somebody's quoting.
const password = "p@ss'w rd-0815";
const spellings = [password, 'p%40ss', 'rd-0815'];

/** Arguments of all processes, as anybody may read them, and the environments of the agent and what it started. */
async function processTexts({ pid }: HomingProcess): Promise<readonly string[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1');
  const own = [`${pid}`, ...children.trim().split(' ')].map((each) => `${each}/environ`);
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map((each) => `${each}/cmdline`);
  // Others may end meanwhile.
  const texts = [...all, ...own].map((file) => readFile(`/proc/${file}`, 'latin1').catch(() => ''));
  return (await Promise.all(texts)).map((text) => text.replaceAll('\0', ' '));
}

function cameraDocuments(url: string): string {
  return `apiVersion: homing.dev/v1alpha1
kind: CameraClient
metadata: {name: door, namespace: yard}
spec:
  source: {rtsp: {url: "${url}"}, credentialsRef: {name: cameras}}
  bridge: {servers: [pi]}
---
apiVersion: v1
kind: Secret
metadata: {name: cameras, namespace: yard}
stringData: {username: viewer, password: "${password}"}
`;
}

async function startCamera(): Promise<RtspCamera> {
  const file = home.path('film.mkv');
  encodeTestVideo(file, { seconds: 60, bFrames: 0, audio: 'aac' });
  const camera = await startRtspCamera({ file, username: 'viewer', password, audio: 'aac' });
  cleanups.push(() => camera.stop());
  return camera;
}

describeWith(['ffmpeg', 'gst-rtsp-server'], 'a real RTSP camera with one session and a password', () => {
  it('is taken over by a better server in that session, and shows its password nowhere', async () => {
    const camera = await startCamera();
    const { agent: pi } = await home.startServer({
      ...weak,
      documents: cameraDocuments(camera.url),
      more: ['--client-certs', home.folder, '--keep-source', home.kept],
    });
    await pi.until('connected', ({ to }) => to === 'pi');
    await delay(whileMs);
    const running = await processTexts(pi);
    expect(running.some((text) => text.startsWith('ffmpeg'))).toBe(true);
    const telling = running.filter((text) => spellings.some((spelling) => text.includes(spelling)));
    // The camera itself, a program of this test, is told so: what is looked for is found.
    expect(telling).not.toEqual([]);
    expect(telling.filter((text) => !text.includes('rtsp-camera.py'))).toEqual([]);

    const { agent: nuc } = await home.startServer(strong);
    const [moved] = await pi.until('handedOver', ({ to }) => to === 'nuc');
    expect(moved).toMatchObject({ client: 'yard/door', from: 'pi', reason: 'rank', framesLost: 0 });
    await delay(whileMs);
    const status = await runHoming('status', '--state', home.path('state', 'pi'));
    expect(status.stdout).toContain('yard/door');
    for (const agent of [pi, nuc]) expect(await agent.end()).toBe(0);

    expect(camera.events.filter((event) => event === 'session')).toHaveLength(1);
    const [kept = ''] = await filesBelow(home.kept);
    await expectNothingLost(kept);
    const given = frameHashes(home.path('film.mkv'));
    const recorded = frameHashes(home.path('joined.ts'));
    // The end came in the middle of a frame.
    expect(recorded.slice(0, -1)).toEqual(given.slice(0, recorded.length - 1));

    const said = JSON.stringify([pi.events, nuc.events, status]) + pi.stderr + nuc.stderr;
    const stored = await textBelow(home.path('state'));
    for (const spelling of spellings) expect(said + stored).not.toContain(spelling);
  });
});
