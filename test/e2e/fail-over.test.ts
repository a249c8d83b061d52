/**
 * Every way in which a camera can lose its server, once, on real parts: processes on hosts of their own, real H.264 with
 * sound, and ffmpeg as the judge. Prints for each what it cost; that is measured, and never asserted.
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { HomingProcess } from '../support/agent-process.ts';
import { encodeFilm, expectBeginning, expectWhole, findMissing, termsOf } from '../support/film-check.ts';
import { describeWith } from '../support/needs.ts';
import { PluggableHome } from '../support/pluggable-home.ts';
import { losePower } from '../support/power.ts';

/** How long a part of a stream lasts before something happens to it, or ends. */
const whileMs = 1200;
const report: Record<string, unknown>[] = [];

let films = '';
/** A key frame each 0.4 s, and each 10 s. */
let film = '';
let slowFilm = '';

/** Ends the client properly, so that everything that it gave is safe somewhere. */
async function finish(client: HomingProcess): Promise<void> {
  expect(await client.end('SIGTERM')).toBe(0);
}

interface Happened {
  readonly home: PluggableHome;
  readonly client: HomingProcess;
  /** When the server that it streamed to was lost, if one was. */
  readonly lostAtMs?: number;
}

/** Expects every frame of the only term, explains the repeats, and notes the figures. */
async function expectNothingLost(what: string, { home, client, lostAtMs }: Happened): Promise<void> {
  const [term, ...others] = await termsOf(home);
  if (term === undefined || others.length > 0) throw new Error('not one term');
  const moves = client.of('handedOver');
  const { frames, repeated } = await expectWhole(home, term);
  const told = moves.reduce((sum, { framesRepeated }) => sum + framesRepeated, 0);
  const firstAck = moves.find(({ time }) => lostAtMs !== undefined && Date.parse(time) >= lostAtMs);
  report.push({
    what,
    frames,
    lost: 0,
    repeated,
    told,
    moves: moves
      .map(({ from, to, reason, milliseconds }) => `${from}>${to} ${reason} ${milliseconds}`)
      .join(', '),
    ackAfterLoss:
      firstAck === undefined || lostAtMs === undefined ? '' : Date.parse(firstAck.time) - lostAtMs,
  });
  expect(moves.map(({ framesLost }) => framesLost)).toEqual(moves.map(() => 0));
  // The client counts what it had sent; a server may not have got all of that.
  expect(repeated).toBeLessThanOrEqual(told);
}

beforeAll(async () => {
  films = await mkdtemp(join(tmpdir(), 'homing-films-'));
  film = join(films, 'film.ts');
  slowFilm = join(films, 'slow.ts');
});

afterAll(async () => {
  console.table(report);
  await rm(films, { recursive: true, force: true });
});

describeWith(['root', 'ip', 'ffmpeg'], 'a camera whose home changes', () => {
  beforeAll(() => {
    encodeFilm(film, { seconds: 60, gop: 10 });
    encodeFilm(slowFilm, { seconds: 24, gop: 250 });
  });

  it.concurrent('goes to a better server', async () => {
    await using home = await PluggableHome.open();
    await home.startServer('pi');
    const client = home.startClient(film, [home.address('pi')]);
    await client.until('connected');
    await home.startServer('nuc');
    await client.until('handedOver', ({ to, reason }) => to === 'nuc' && reason === 'rank');
    await delay(whileMs);
    await finish(client);
    await expectNothingLost('redirect', { home, client });
  });

  it.concurrent('is told where to go when its server is killed, and when the next one is', async () => {
    await using home = await PluggableHome.open();
    const [, nuc, oak] = await Promise.all([
      home.startServer('pi'),
      home.startServer('nuc'),
      home.startServer('oak'),
    ]);
    await oak.until('linked', () => true, 2);
    // It knows one address, and is told of the others.
    const client = home.startClient(film, [home.address('pi')]);
    await client.until('handedOver', ({ to }) => to === 'oak');
    await delay(whileMs);
    const lostAtMs = Date.now();
    await oak.end('SIGKILL');
    await client.until('handedOver', ({ from, to }) => from === 'oak' && to === 'nuc');
    await delay(whileMs);
    await nuc.end('SIGKILL');
    await client.until('handedOver', ({ from, to }) => from === 'nuc' && to === 'pi');
    await delay(whileMs);
    await finish(client);
    await expectNothingLost('SIGKILL, twice', { home, client, lostAtMs });
  });

  it.concurrent('leaves a server that hangs', async () => {
    await using home = await PluggableHome.open();
    const [, nuc] = await Promise.all([home.startServer('pi'), home.startServer('nuc')]);
    await nuc.until('linked');
    const client = home.startClient(film, [home.address('nuc')]);
    await client.until('connected', ({ to }) => to === 'nuc');
    await delay(whileMs);
    const lostAtMs = Date.now();
    nuc.signal('SIGSTOP');
    const [moved] = await client.until('handedOver', ({ to }) => to === 'pi');
    expect(moved?.reason).toBe('silent');
    await delay(whileMs);
    // It wakes up and finds that it has lost its client.
    nuc.signal('SIGCONT');
    await nuc.until('left', ({ client: name }) => name === 'yard/door');
    await finish(client);
    await expectNothingLost('SIGSTOP', { home, client, lostAtMs });
  });

  it.concurrent('leaves a machine that lost its power, whose disk keeps all that was acked', async () => {
    await using home = await PluggableHome.open();
    const [, nuc] = await Promise.all([home.startServer('pi'), home.startServer('nuc')]);
    await nuc.until('linked');
    const client = home.startClient(film, [home.address('nuc')]);
    await client.until('connected', ({ to }) => to === 'nuc');
    await delay(2 * whileMs);
    // The cable first: no FIN and no RST gets out.
    const lostAtMs = Date.now();
    home.host('nuc').setCable(false);
    await nuc.end('SIGKILL');
    const lostBytes = await losePower(home.disk('nuc'), home.recordings('nuc'));
    const [moved] = await client.until('handedOver', ({ to }) => to === 'pi');
    expect(moved?.reason).toBe('silent');
    await delay(whileMs);
    await finish(client);
    await expectNothingLost(`power-off (${lostBytes} bytes of nuc's never flushed)`, {
      home,
      client,
      lostAtMs,
    });
  });

  it.concurrent('stays where it is when a better server dies before it has the first byte', async () => {
    await using home = await PluggableHome.open();
    await home.startServer('pi');
    const client = home.startClient(slowFilm, [home.address('pi')]);
    await client.until('connected');
    const nuc = await home.startServer('nuc');
    // The next key frame is seconds away.
    await nuc.until('welcomed');
    await nuc.end('SIGKILL');
    const [refused] = await client.until('refused', ({ to }) => to === 'nuc');
    expect(refused).toMatchObject({ from: 'pi', reason: 'lost' });
    await delay(whileMs);
    await finish(client);
    expect(client.of('handedOver')).toEqual([]);
    await expectNothingLost('newcomer dies', { home, client });
  });

  it.concurrent('stays where it is when a better server does not take it', async () => {
    await using home = await PluggableHome.open();
    const { leaf } = await home.issueCamera('door');
    await home.startServer('pi');
    const client = home.startClient(film, [home.address('pi')]);
    await client.until('connected');
    await home.startServer('nuc', suspendedDoor(leaf.spkiSha256));
    const [refused] = await client.until('refused');
    expect(refused).toMatchObject({ from: 'pi', detail: 'it said bye suspended' });
    await delay(whileMs);
    await finish(client);
    expect(client.of('handedOver')).toEqual([]);
    await expectNothingLost('newcomer refuses', { home, client });
  });

  it.concurrent('goes to the last one that it was sent to while it waits for a key frame', async () => {
    await using home = await PluggableHome.open();
    await mkdir(home.recordings('pi'), { recursive: true });
    const [nuc, oak, pi] = await Promise.all([
      home.startServer('nuc'),
      home.startServer('oak'),
      home.startProgram('pi', 'director', ...piFiles(home), '17320'),
    ]);
    const client = home.startClient(slowFilm, [home.address('pi')]);
    await client.until('connected', ({ to }) => to === 'pi');
    await delay(whileMs);
    pi.say(`${nuc.of('started')[0]?.id} ${home.host('nuc').address} 17320`);
    await nuc.until('welcomed');
    pi.say(`${oak.of('started')[0]?.id} ${home.host('oak').address} 17320`);
    await nuc.until('left');
    await client.until('handedOver', ({ from, to }) => from === 'pi' && to === 'oak');
    await delay(whileMs);
    await finish(client);
    expect(client.of('connected').map(({ to }) => to)).toEqual(['pi', 'oak']);
    await expectNothingLost('redirect within a redirect', { home, client });
  });

  it.concurrent('loses the old server between the cut and its last ack', async () => {
    await using home = await PluggableHome.open();
    const pi = await home.startServer('pi');
    const client = home.startClient(film, [home.address('pi')]);
    await client.until('connected', ({ to }) => to === 'pi');
    await delay(whileMs);
    // From the cut on its ack is this far away.
    await home.slowDisk('pi', 3000);
    await home.startServer('nuc');
    await client.until('cut');
    const lostAtMs = Date.now();
    await pi.end('SIGKILL');
    await client.until('handedOver', ({ to }) => to === 'nuc');
    await delay(whileMs);
    await finish(client);
    const said = client.events.filter(({ event }) => /^(cut|disconnected|connected|handedOver)$/.test(event));
    expect(said.map(({ event }) => event)).toEqual([
      'connected',
      'cut',
      'disconnected',
      'connected',
      'handedOver',
    ]);
    await expectNothingLost('old server dies between cut and last ack', { home, client, lostAtMs });
  });

  it.concurrent('comes back when the new server dies with its first bytes', async () => {
    await using home = await PluggableHome.open();
    await home.startServer('pi');
    // The old session has to wait for its last acks.
    await home.slowDisk('pi', 300);
    const client = home.startClient(film, [home.address('pi')]);
    await client.until('connected');
    await delay(whileMs);
    const nuc = await home.startServer('nuc');
    await client.until('handedOver', ({ to }) => to === 'nuc');
    const lostAtMs = Date.now();
    await nuc.end('SIGKILL');
    await client.until('handedOver', ({ from, to }) => from === 'nuc' && to === 'pi');
    await delay(whileMs);
    await finish(client);
    await expectNothingLost('new server dies with its first bytes', { home, client, lostAtMs });
  });

  it.concurrent('waits for a slow disk before it goes on elsewhere', async () => {
    await using home = await PluggableHome.open();
    await home.startServer('pi');
    await home.slowDisk('pi', 1000);
    const client = home.startClient(film, [home.address('pi')]);
    await client.until('warning', ({ reason }) => reason === 'durableLag');
    await home.startServer('nuc');
    await client.until('handedOver', ({ to, reason }) => to === 'nuc' && reason === 'rank');
    await delay(whileMs);
    await finish(client);
    await expectNothingLost('slow disk', { home, client });
  });

  it.concurrent('leaves a server whose disk hangs, with all that is not safe there', async () => {
    await using home = await PluggableHome.open();
    const [, nuc] = await Promise.all([home.startServer('pi'), home.startServer('nuc')]);
    await nuc.until('linked');
    const client = home.startClient(film, [home.address('nuc')], { more: ['--requires', 'record'] });
    await client.until('connected', ({ to }) => to === 'nuc');
    await delay(whileMs);
    const lostAtMs = Date.now();
    await home.slowDisk('nuc', 1_000_000);
    await client.until('handedOver', ({ from, to }) => from === 'nuc' && to === 'pi');
    await delay(whileMs);
    await finish(client);
    await expectNothingLost('hung disk', { home, client, lostAtMs });
  });

  it.concurrent('leaves a server that is cut off, and goes back to it some time after it has returned', async () => {
    await using home = await PluggableHome.open();
    const [pi, nuc] = await Promise.all([home.startServer('pi'), home.startServer('nuc')]);
    await nuc.until('linked');
    const client = home.startClient(film, [home.address('nuc')]);
    await client.until('connected', ({ to }) => to === 'nuc');
    await delay(whileMs);
    const lostAtMs = Date.now();
    home.host('nuc').setCable(false);
    await client.until('handedOver', ({ to }) => to === 'pi');
    await pi.until('unlinked');
    home.host('nuc').setCable(true);
    const [, linked] = await pi.until('linked', () => true, 2);
    const [back] = await client.until('handedOver', ({ from, to }) => from === 'pi' && to === 'nuc');
    const heldMs = Date.parse(back?.time ?? '') - Date.parse(linked?.time ?? '');
    expect(heldMs).toBeGreaterThan(4500);
    await delay(whileMs);
    await finish(client);
    await expectNothingLost('partition that heals', { home, client, lostAtMs });
  });

  it.concurrent('stays where it is when servers lose each other but not it', async () => {
    await using home = await PluggableHome.open();
    const [pi, nuc] = await Promise.all([home.startServer('pi'), home.startServer('nuc')]);
    await Promise.all([pi, nuc].map((server) => server.until('linked')));
    const client = home.startClient(film, [home.address('nuc')]);
    await client.until('connected', ({ to }) => to === 'nuc');
    setPath(home, 'pi', 'nuc', false);
    await Promise.all([pi, nuc].map((server) => server.until('unlinked')));
    setPath(home, 'pi', 'nuc', true);
    await Promise.all([pi, nuc].map((server) => server.until('linked', () => true, 2)));
    await delay(whileMs);
    await finish(client);
    expect(client.of('disconnected')).toEqual([]);
    expect(client.of('redirected')).toEqual([]);
    await expectNothingLost('partition between servers', { home, client });
  });

  it.concurrent('leaves a server that it cannot reach itself, and is not sent back there at once', async () => {
    await using home = await PluggableHome.open();
    const [, nuc] = await Promise.all([home.startServer('pi'), home.startServer('nuc')]);
    await nuc.until('linked');
    const client = home.startClient(film, [home.address('nuc')]);
    await client.until('connected', ({ to }) => to === 'nuc');
    await delay(whileMs);
    const lostAtMs = Date.now();
    setPath(home, 'cam', 'nuc', false);
    await client.until('handedOver', ({ to }) => to === 'pi');
    // Its server sees the better one as well as before.
    const [held] = await client.until('refused', ({ from }) => from === 'pi');
    expect(held).toMatchObject({ reason: 'held' });
    const [unreachable] = await client.until('refused', ({ reason }) => reason === 'unreachable');
    expect(unreachable).toMatchObject({ from: 'pi' });
    await finish(client);
    await expectNothingLost('own path to one server fails', { home, client, lostAtMs });
  });

  it.concurrent('keeps everything while there is no server at all', async () => {
    await using home = await PluggableHome.open();
    const pi = await home.startServer('pi');
    const client = home.startClient(film, [home.address('pi')]);
    await client.until('connected');
    await delay(whileMs);
    const lostAtMs = Date.now();
    await pi.end('SIGKILL');
    await delay(3 * whileMs);
    await home.startServer('pi');
    await client.until('handedOver', ({ from, to }) => from === 'pi' && to === 'pi');
    await delay(whileMs);
    await finish(client);
    await expectNothingLost('no server for some seconds', { home, client, lostAtMs });
  });

  it.concurrent('counts what its ring cannot hold while there is no server at all', async () => {
    await using home = await PluggableHome.open();
    const pi = await home.startServer('pi');
    // A camera cannot be asked to wait, as a file can.
    const client = home.startClient('test', [home.address('pi')], { more: ['--ring', '1'] });
    await client.until('connected');
    await delay(whileMs);
    await pi.end('SIGKILL');
    await client.until('warning', ({ reason }) => reason === 'ringOverBudget');
    await delay(whileMs);
    await home.startServer('pi');
    const [back] = await client.until('handedOver', ({ from, to }) => from === 'pi' && to === 'pi');
    await delay(whileMs);
    await finish(client);
    const [term] = await termsOf(home);
    if (term === undefined) throw new Error('no term');
    const { frames, missing, holes } = await findMissing(home, term);
    expect(holes).toBeGreaterThan(0);
    expect(missing).toBeGreaterThan(0);
    // What the server had just made safe when it was killed, without a word of it, counts as lost although it is not.
    expect(back?.framesLost).toBeGreaterThanOrEqual(missing);
    report.push({ what: 'ring of 1 MiB, no server', frames, lost: missing, told: back?.framesLost });
  });

  it.concurrent('begins a new term when it is restarted in the middle of a handover', async () => {
    await using home = await PluggableHome.open();
    const pi = await home.startServer('pi');
    const first = home.startClient(slowFilm, [home.address('pi')]);
    await first.until('connected');
    const nuc = await home.startServer('nuc');
    // The next key frame is seconds away.
    await nuc.until('welcomed');
    await first.end('SIGKILL');
    await pi.until('left');
    const second = home.startClient(film, [home.address('pi')]);
    // It may remember the better one from before.
    await second.until('connected', ({ to }) => to === 'nuc');
    await delay(whileMs);
    await finish(second);
    const [old, now, ...others] = await termsOf(home);
    if (old === undefined || now === undefined || others.length > 0) throw new Error('not two terms');
    const begun = await expectBeginning(home, old);
    expect(begun.bytes).toBeGreaterThan(0);
    const { frames, repeated } = await expectWhole(home, now);
    const what = `client restarted in a handover (${begun.of - begun.bytes} bytes died with its ring)`;
    report.push({ what, frames, lost: 0, repeated });
  });

  it.concurrent('ends where a copy of it, with its key and its state, was started later', async () => {
    await using home = await PluggableHome.open();
    const pi = await home.startServer('pi');
    const first = home.startClient(film, [home.address('pi')]);
    await first.until('connected');
    await delay(whileMs);
    await cp(home.path('client'), home.path('clone'), { recursive: true });
    const second = home.startClient(film, [home.address('pi')], { state: 'clone' });
    expect(await first.ended).toBe(1);
    expect(first.of('warning').map(({ reason }) => reason)).toContain('replaced');
    await delay(whileMs);
    await finish(second);
    expect(second.of('disconnected')).toEqual([]);
    expect(pi.of('welcomed').length).toBe(2);
    const [old, now] = await termsOf(home);
    if (old === undefined || now === undefined) throw new Error('not two terms');
    await expectBeginning(home, old);
    const { frames, repeated } = await expectWhole(home, now);
    report.push({ what: 'cloned state folder', frames, lost: 0, repeated });
  });

  it.concurrent('gives its place to the higher key where a copy has the very same term', async () => {
    await using home = await PluggableHome.open();
    await home.startServer('pi');
    const keys = ['door-a', 'door-b'];
    const { leaf } = await home.issueCamera('door-a');
    const { leaf: other } = await home.issueCamera('door-b', { id: leaf.id.slice('ab:'.length) });
    const hashes = [leaf.spkiSha256, other.spkiSha256];
    const higher = (hashes[0] ?? '') > (hashes[1] ?? '') ? 0 : 1;
    // Both clocks are behind the last term, as those of two machines that have just been switched on.
    for (const key of keys) await saveFutureTerm(home.path(key));
    const clients = keys.map((key) =>
      home.startClient(film, [home.address('pi')], {
        identity: key,
        state: key,
        more: ['--keep-source', home.path(`kept-${key}`)],
      }),
    );
    expect(await clients[1 - higher]?.ended).toBe(1);
    const winner = clients[higher];
    if (winner === undefined) throw new Error('no winner');
    await winner.until('connected');
    await delay(whileMs);
    await finish(winner);
    report.push({ what: 'equal terms, two keys: the higher stays' });
  });

  it.concurrent('gives its place to the copy that began last where even the key is the same', async () => {
    await using home = await PluggableHome.open();
    await home.startServer('pi');
    await saveFutureTerm(home.path('client'));
    await saveFutureTerm(home.path('clone'));
    const first = home.startClient(film, [home.address('pi')]);
    await first.until('connected');
    await delay(whileMs);
    const second = home.startClient(film, [home.address('pi')], {
      state: 'clone',
      more: ['--keep-source', home.path('kept-clone')],
    });
    expect(await first.ended).toBe(1);
    await delay(whileMs);
    await finish(second);
    expect(second.of('disconnected')).toEqual([]);
    report.push({ what: 'equal terms, one key: the last stays' });
  });
});

/** A state that is ahead of every clock, always by the same term. */
async function saveFutureTerm(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const section = { term: 4_000_000_000_000, servers: [] };
  await writeFile(
    join(folder, 'state.json'),
    JSON.stringify({ version: 1, sections: { 'client yard/door': section } }),
  );
}

/** A resource that refuses the camera. */
function suspendedDoor(spkiSha256: string): string {
  return `apiVersion: homing.dev/v1alpha1
kind: CameraClient
metadata: {name: door, namespace: yard}
spec: {suspend: true, source: {native: {publicKey: "sha256:${spkiSha256}"}}}
`;
}

function piFiles(home: PluggableHome): readonly string[] {
  return [home.path('ca.crt'), home.path('pi.crt'), home.path('pi.key'), home.recordings('pi')];
}

function setPath(home: PluggableHome, a: 'pi' | 'cam', b: 'nuc', isOpen: boolean): void {
  home.host(a).setPath(home.host(b), isOpen);
  home.host(b).setPath(home.host(a), isOpen);
}
