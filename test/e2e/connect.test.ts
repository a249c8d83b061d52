import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { signAnnouncement } from '../../protocol/announcements.ts';
import { everyClient } from '../../protocol/identifiers.ts';
import { type TestHome, mintHome } from '../support/certificates.ts';
import { openMulticast } from '../../agent/server/multicast.ts';
import { type TakingServer, openTakingServer } from '../support/taking-server.ts';

const bin = join(import.meta.dirname, '../../bin/homing');

let home: TestHome;
let folder: string;
const servers: TakingServer[] = [];
const children: ChildProcessWithoutNullStreams[] = [];

beforeAll(async () => {
  home = await mintHome();
  folder = await mkdtemp(join(tmpdir(), 'homing-connect-'));
  const door = await home.client('default/door');
  await writeFile(join(folder, 'ca.crt'), home.authority.certificatePem);
  await writeFile(join(folder, 'door.crt'), door.certificatePem);
  await writeFile(join(folder, 'door.key'), door.keyPem, { mode: 0o600 });
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const opened of servers.splice(0)) await opened.close();
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function server(name: string): Promise<TakingServer> {
  const opened = await openTakingServer(await home.server(name), home.trust);
  servers.push(opened);
  return opened;
}

interface Run {
  readonly child: ChildProcessWithoutNullStreams;
  readonly events: Record<string, unknown>[];
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

function connect(...options: readonly string[]): Run {
  const own = ['--trust', 'ca.crt', '--cert', 'door.crt', '--key', 'door.key', '--json'];
  const child = spawn(bin, ['connect', ...own, ...options], { cwd: folder });
  children.push(child);
  const events: Record<string, unknown>[] = [];
  let [stdout, stderr] = ['', ''];
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
  child.stdout.on('data', (bytes: Buffer) => {
    const lines = (stdout + bytes.toString()).split('\n');
    stdout = lines.pop() ?? '';
    events.push(...lines.map(parseEvent));
  });
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, stderr }));
  });
  return { child, events, ended };
}

function parseEvent(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line);
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const endMs = performance.now() + 30_000;
  while (!isTrue()) {
    if (performance.now() > endMs) throw new Error(`waited until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const addressOf = ({ endpoint }: TakingServer): string => `${endpoint.ip}:${endpoint.port}`;

describe('homing connect', () => {
  it('sends standard input to its end, through a redirect, and exits 0 when all of it is safe', async () => {
    const [pi, nuc] = [await server('pi'), await server('nuc')];
    const { child, events, ended } = connect(
      '--server',
      addressOf(pi),
      '--source',
      '-',
      '--media',
      'text/plain',
    );
    const sent: Buffer[] = [];
    const write = (from: number, to: number): void => {
      for (let i = from; i < to; i += 1) {
        const line = Buffer.from(`line ${i} ${'y'.repeat(i % 90)}\n`);
        sent.push(line);
        child.stdin.write(line);
      }
    };
    write(0, 2000);
    await until('it streams', () => (pi.sink.streams[0]?.durable ?? 0) > 1000);
    pi.redirect(nuc.reference, 'drain');
    await until('it was dialed', () => nuc.sessions.size > 0);
    write(2000, 4000);
    await until('it streams there', () => (nuc.sink.streams[0]?.durable ?? 0) > 1000);
    child.stdin.end();
    expect(await ended).toMatchObject({ code: 0 });
    const [before] = pi.sink.streams;
    const [after] = nuc.sink.streams;
    const cut = after?.parts[0]?.offset ?? -1;
    const joined = Buffer.concat([
      before?.bytes.subarray(0, cut) ?? Buffer.alloc(0),
      after?.bytes ?? Buffer.alloc(0),
    ]);
    expect(joined.equals(Buffer.concat(sent))).toBe(true);
    expect(events.map(({ event }) => event)).toContain('handedOver');
    expect(events.find(({ event }) => event === 'handedOver')).toMatchObject({
      client: 'default/door',
      from: 'pi',
      to: 'nuc',
      reason: 'drain',
      framesLost: 0,
    });
    for (const { time } of events) expect(new Date(String(time)).toISOString()).toBe(time);
  });

  it('ends cleanly at SIGTERM, keeps what the source gave, and takes a higher term the next time', async () => {
    const pi = await server('pi');
    const options = [
      '--server',
      addressOf(pi),
      '--source',
      'test',
      '--state',
      'state',
      '--keep-source',
      'kept',
    ];
    for (const round of [1, 2]) {
      const { child, ended } = connect(...options);
      await until('it streams', () => (pi.sink.streams[round - 1]?.durable ?? 0) > 10_000);
      child.kill('SIGTERM');
      expect(await ended).toMatchObject({ code: 0 });
    }
    const [first, second] = pi.sink.streams;
    expect(second?.address.term).toBeGreaterThan(first?.address.term ?? Infinity);
    const files = await readdir(join(folder, 'kept/default/door/main'));
    expect(files.toSorted()).toEqual([first, second].map((stream) => `${stream?.address.term}-0.ts`));
    const kept = await readFile(join(folder, 'kept/default/door/main', `${first?.address.term}-0.ts`));
    expect(kept.equals(first?.bytes ?? Buffer.alloc(0))).toBe(true);
  });

  it('finds a server by its announcement, and says so', async () => {
    const identity = await home.server('pi');
    const pi = await openTakingServer(identity, home.trust);
    servers.push(pi);
    const multicast = await openMulticast({
      interfaces: ['lo'],
      excludeInterfaces: [],
      onDatagram: () => {},
    });
    const announce = (): void => {
      const message = signAnnouncement(
        {
          kind: 'subscribe',
          to: everyClient,
          from: pi.reference,
          features: ['record'],
          connected: 0,
          max: 5,
          also: [],
        },
        identity,
        Date.now(),
      );
      multicast.send(() => message);
    };
    const timer = setInterval(announce, 300);
    try {
      const { child, events, ended } = connect('--discover', '--interface', 'lo', '--source', 'test');
      await until('it streams', () => (pi.sink.streams[0]?.durable ?? 0) > 1000);
      child.kill('SIGINT');
      expect(await ended).toMatchObject({ code: 0 });
      expect(events.find(({ event }) => event === 'heard')).toMatchObject({ server: 'pi', via: 'multicast' });
    } finally {
      clearInterval(timer);
      await multicast.close();
    }
  });

  it('exits 1 when it is replaced', async () => {
    const pi = await server('pi');
    const { ended } = connect('--server', addressOf(pi), '--source', 'test');
    await until('it streams', () => (pi.sink.streams[0]?.durable ?? 0) > 1000);
    pi.bye('replaced', 9_999_999_999_999);
    expect(await ended).toMatchObject({ code: 1 });
  });

  it.each([
    [['--source', 'test'], 'which server?'],
    [['--server', 'pi', '--source', 'test'], 'must be HOST:PORT'],
    [['--server', 'pi:70000', '--source', 'test'], 'must be HOST:PORT'],
    [['--server', '127.0.0.1:1', '--source', 'no-such-file.ts'], 'there is no such file'],
    [['--server', '127.0.0.1:1', '--source', 'test', '--media', 'video/mp4'], 'is none of video/mp2t'],
    [['--server', '127.0.0.1:1', '--source', 'test', '--weights', 'gpu'], 'must be FEATURE=NUMBER'],
    [['--server', '127.0.0.1:1', '--source', 'test', '--requires', 'A'], 'a feature is'],
    [
      ['--server', '127.0.0.1:1', '--source', 'test', '--mode', 'Worst'],
      'Allowed choices are Best, AnyValid',
    ],
    [['--server', '127.0.0.1:1'], "required option '--source <source>'"],
    [['--server', '127.0.0.1:1', '--source', 'test', '--cert', 'ca.crt'], 'ca.crt'],
  ])('exits 2 for %j and says what would be right', async (options, message) => {
    const { ended } = connect(...options);
    const { code, stderr } = await ended;
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  it('refuses a password in the arguments without repeating it', async () => {
    const { ended } = connect('--server', '127.0.0.1:1', '--source', 'rtsp://admin:hunter2@127.0.0.1/live');
    const { code, stderr } = await ended;
    expect(code).toBe(2);
    expect(stderr).toContain('--credentials');
    expect(stderr).not.toContain('hunter2');
  });
});
