import {
  appendFile,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Untimed } from '../../../agent/events.ts';
import { type RecordOptions, openRecordSink } from '../../../agent/sinks/record.ts';
import { readRecordings } from '../../../agent/sinks/recordings.ts';
import type { Sink, SinkStream, StreamAddress } from '../../../agent/sinks/sink.ts';
import { joinRecordings } from '../../support/join-recordings.ts';
import { recordedBytes } from '../../support/recorded-bytes.ts';

const door: StreamAddress = { name: 'default/door', stream: 'main', term: 5, media: 'text/plain' };
const folderOf = (directory: string): string => join(directory, 'default', 'door', 'main');

let directory = '';
let sinks: Sink[] = [];
let events: Untimed[] = [];
let health: string[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'homing-record-'));
  [sinks, events, health] = [[], [], []];
});

afterEach(async () => {
  await Promise.all(sinks.map((sink) => sink.close()));
  await rm(directory, { recursive: true });
});

async function openSink(options: Partial<RecordOptions> = {}): Promise<Sink> {
  const sink = await openRecordSink(
    { directory, keepFreeBytes: 0, emit: (event) => events.push(event), ...options },
    { onDurable: () => undefined, onHealth: (isHealthy, message) => health.push(`${isHealthy} ${message}`) },
  );
  sinks.push(sink);
  return sink;
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; !(await isSo()); round += 1) {
    if (round > 1000) throw new Error('it did not come true within 10 s');
    await delay(10);
  }
}

function give(stream: SinkStream, from: number, length: number): void {
  for (let at = from; at < from + length; at += 1000) {
    stream.write(recordedBytes(at, Math.min(1000, from + length - at)), true);
  }
}

describe('the record sink', () => {
  it('makes bytes durable within two seconds, and never says more than was written', async () => {
    const stream = (await openSink()).open(door);
    stream.begin({ offset: 100, timeMs: 1000, why: 'handover' });
    expect(stream.durable).toBe(100);
    give(stream, 100, 5000);
    expect(stream.durable).toBe(100);
    await until(() => stream.durable === 5100);
    expect(stream.backlogBytes).toBe(0);
    expect(await readFile(join(folderOf(directory), '5-100.txt'))).toEqual(recordedBytes(100, 5000));
  });

  it('commits at once on demand', async () => {
    const stream = (await openSink()).open(door);
    stream.begin({ offset: 0, timeMs: 1000, why: 'start' });
    give(stream, 0, 50_000);
    const askedAt = performance.now();
    stream.commit();
    await until(() => stream.durable === 50_000);
    expect(performance.now() - askedAt).toBeLessThan(900);
  });

  it('begins files at cuts, joins them again, and tells of each that is closed', async () => {
    const sink = await openSink({ segment: { segmentBytes: 10_000 } });
    const stream = sink.open(door);
    stream.begin({ offset: 0, timeMs: 1000, why: 'start' });
    give(stream, 0, 95_000);
    await stream.close();
    const files = (await readdir(folderOf(directory))).filter((file) => file !== 'index.jsonl');
    expect(files.length).toBeGreaterThan(8);
    expect(events.filter(({ event }) => event === 'recorded')).toHaveLength(files.length);
    for (const file of files) {
      const start = Number(/-(\d+)\.txt/.exec(file)?.[1]);
      expect(start === 0 || recordedBytes(start - 1, 1)[0] === 10).toBe(true);
    }
    const joined = await joinRecordings([directory]);
    expect(joined.notes).toEqual([]);
    expect(joined.bytes.equals(recordedBytes(0, 95_000))).toBe(true);
  });

  it('leaves injected bytes out when it joins', async () => {
    const stream = (await openSink()).open(door);
    stream.begin({ offset: 0, timeMs: 1000, why: 'start' });
    stream.write(Buffer.from('tables'), false);
    give(stream, 0, 1000);
    stream.write(Buffer.from('more\n'), false);
    give(stream, 1000, 1000);
    await stream.close();
    expect((await stat(join(folderOf(directory), '5-0.txt'))).size).toBe(2011);
    expect((await joinRecordings([directory])).bytes.equals(recordedBytes(0, 2000))).toBe(true);
  });

  it('never touches an existing name: a later session of the same term adds .2', async () => {
    for (const length of [3000, 5000]) {
      const sink = await openSink();
      const stream = sink.open(door);
      stream.begin({ offset: 0, timeMs: 1000, why: 'start' });
      give(stream, 0, length);
      await sink.close();
    }
    expect(await readFile(join(folderOf(directory), '5-0.txt'))).toEqual(recordedBytes(0, 3000));
    expect(await readFile(join(folderOf(directory), '5-0.2.txt'))).toEqual(recordedBytes(0, 5000));
    const joined = await joinRecordings([directory]);
    expect(joined.notes).toEqual(['overlap 0-3000']);
    expect(joined.bytes.equals(recordedBytes(0, 5000))).toBe(true);
  });

  it('cuts off at the start what was never made safe, and nothing that was', async () => {
    const first = await openSink();
    const stream = first.open(door);
    stream.begin({ offset: 0, timeMs: 1000, why: 'start' });
    give(stream, 0, 3000);
    await first.close();
    await appendFile(join(folderOf(directory), '5-0.txt'), 'garbage of a power loss');
    await appendFile(join(folderOf(directory), 'index.jsonl'), '{"term":5,"offset":99');
    await openSink();
    expect(await readFile(join(folderOf(directory), '5-0.txt'))).toEqual(recordedBytes(0, 3000));
    expect((await readFile(join(folderOf(directory), 'index.jsonl'), 'utf8')).endsWith('}\n')).toBe(true);
    expect(events).toContainEqual(expect.objectContaining({ event: 'warning', reason: 'RecordingCutBack' }));
  });

  it('vouches for nothing of a file that was never made safe, not even by its name', async () => {
    const stream = (await openSink()).open(door);
    stream.begin({ offset: 500, timeMs: 1000, why: 'replay' });
    stream.write(Buffer.from('tables that are not counted'), false);
    give(stream, 500, 3000);
    const file = join(folderOf(directory), '5-500.txt');
    await until(async () => (await stat(file).catch(() => undefined))?.size === 3027);
    // A kill would leave it like this.
    expect(stream.durable).toBe(500);
    const { recordings, problems } = await readRecordings([directory]);
    expect(recordings.map(({ extents }) => extents)).toEqual([[]]);
    expect(problems).toEqual([]);
  });

  it('leaves files alone that no index tells of', async () => {
    await mkdir(folderOf(directory), { recursive: true });
    await writeFile(join(folderOf(directory), '7-0.txt'), 'somebody put this here');
    await openSink();
    expect(await readFile(join(folderOf(directory), '7-0.txt'), 'utf8')).toBe('somebody put this here');
  });

  it('refuses names that would leave its directory', async () => {
    const sink = await openSink();
    for (const name of ['../etc', 'default/..', 'a/b/c', '/etc', 'default/door/../x', 'Default/door', '']) {
      expect(() => sink.open({ ...door, name })).toThrow('is not namespace/name');
    }
    for (const stream of ['..', 'a/b', '', 'index.jsonl', 'main\0']) {
      expect(() => sink.open({ ...door, stream })).toThrow('is not a DNS label');
    }
  });

  it('deletes the past of the camera that holds most, where there is too much', async () => {
    const sink = await openSink({ segment: { segmentBytes: 100_000 }, maxBytes: 1_000_000 });
    const quiet = sink.open({ ...door, name: 'default/quiet' });
    quiet.begin({ offset: 0, timeMs: 1000, why: 'start' });
    give(quiet, 0, 210_000);
    await quiet.close();
    const loud = sink.open({ ...door, name: 'default/loud' });
    loud.begin({ offset: 0, timeMs: 1000, why: 'start' });
    give(loud, 0, 2_000_000);
    await loud.close();
    await sink.close();
    await (await openSink({ maxBytes: 1_000_000 })).close();
    const reopened = await openSink({ maxBytes: 1_000_000 });
    const sizeOf = async (name: string): Promise<number> => {
      const folder = join(directory, 'default', name, 'main');
      const names = (await readdir(folder)).filter((file) => file.endsWith('.txt'));
      const sizes = await Promise.all(
        names.map((file) =>
          stat(join(folder, file)).then(
            ({ size }) => size,
            () => 0,
          ),
        ),
      );
      return sizes.reduce((sum, size) => sum + size, 0);
    };
    await until(async () => (await sizeOf('loud')) <= 1_000_000 - 210_000);
    expect(await sizeOf('quiet')).toBe(210_000);
    await reopened.close();
  });

  it('takes the lines of deleted files out of the index while it goes on writing', async () => {
    const first = await openSink({ segment: { segmentBytes: 20_000 } });
    const past = first.open(door);
    past.begin({ offset: 0, timeMs: 1000, why: 'start' });
    give(past, 0, 800_000);
    await first.close();
    const index = join(folderOf(directory), 'index.jsonl');
    const { size } = await stat(index);

    // About ten files of the forty may stay.
    const second = await openSink({ maxBytes: 11 * 64 * 1024 });
    const stream = second.open({ ...door, term: 6 });
    stream.begin({ offset: 0, timeMs: 1000, why: 'start' });
    let offset = 0;
    await until(async () => {
      give(stream, offset, 5000);
      offset += 5000;
      return (await stat(index)).size < size / 2;
    });
    give(stream, offset, 5000);
    await second.close();
    const old = await joinRecordings([directory], 5);
    expect(old.notes).toEqual([]);
    expect(old.problems).toEqual([]);
    expect((old.first ?? 0) + old.bytes.length).toBe(800_000);
    expect(old.bytes.equals(recordedBytes(old.first ?? 0, old.bytes.length))).toBe(true);
    const fresh = await joinRecordings([directory], 6);
    expect(fresh.notes).toEqual([]);
    expect(fresh.bytes.equals(recordedBytes(0, offset + 5000))).toBe(true);
  });

  it('writes nothing while the space that is kept free is missing, and says so', async () => {
    const sink = await openSink({ keepFreeBytes: Number.MAX_SAFE_INTEGER });
    await until(() => health.length > 0);
    expect(health[0]).toMatch(/^false .* lacks \d+ bytes/);
    const stream = sink.open(door);
    stream.begin({ offset: 0, timeMs: 1000, why: 'start' });
    give(stream, 0, 1000);
    await delay(1500);
    expect(stream.durable).toBe(0);
    expect(stream.backlogBytes).toBeGreaterThanOrEqual(1000);
  });

  it('slows down a camera that sends too fast, and no other', async () => {
    const sink = await openSink({ maxBytesPerSecond: 1000 });
    const flood = sink.open({ ...door, name: 'default/flood' });
    flood.begin({ offset: 0, timeMs: 1000, why: 'start' });
    const block = Buffer.alloc(1024 * 1024, 0x61);
    for (let count = 0; count < 70; count += 1) flood.write(block, true);
    const calm = sink.open(door);
    calm.begin({ offset: 0, timeMs: 1000, why: 'start' });
    give(calm, 0, 1000);
    await until(() => calm.durable === 1000);
    expect(flood.backlogBytes).toBeGreaterThan(1024 * 1024);
    expect(flood.durable).toBeLessThanOrEqual(66 * 1024 * 1024);
  });
});

describe('recordings of several servers', () => {
  it('join by offset, with holes and overlaps told, and differences in overlaps', async () => {
    const other = join(directory, 'other');
    const write = async (root: string, from: number, length: number): Promise<void> => {
      const sink = await openSink({ directory: root });
      const stream = sink.open(door);
      stream.begin({ offset: from, timeMs: 1000, why: 'handover' });
      give(stream, from, length);
      await sink.close();
    };
    await write(directory, 0, 4000);
    await write(other, 3000, 3000);
    await write(directory, 7000, 1000);
    const joined = await joinRecordings([directory, other]);
    expect(joined.notes).toEqual(['overlap 3000-4000', 'hole 6000-7000']);
    const expected = Buffer.concat([recordedBytes(0, 6000), recordedBytes(7000, 1000)]);
    expect(joined.bytes.equals(expected)).toBe(true);

    const path = join(folderOf(other), '5-3000.txt');
    const damaged = await readFile(path);
    damaged[500] = 0;
    await writeFile(path, damaged);
    expect((await joinRecordings([directory, other])).notes).toContain('overlap 3000-4000 differs');

    await truncate(path, 2000);
    const shortened = await readRecordings([directory, other]);
    expect(shortened.problems.join()).toContain('has 2000 bytes, but its index vouches for 3000');
    expect((await joinRecordings([directory, other])).notes).toContain('hole 5000-7000');
  });
});
