import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type RecordOptions, openRecordSink } from '../../agent/sinks/record.ts';
import type { Sink } from '../../agent/sinks/sink.ts';
import { joinRecordings } from '../support/join-recordings.ts';
import { describeWith } from '../support/needs.ts';
import { recordedBytes } from '../support/recorded-bytes.ts';

let directory = '';
let disk = '';
let sink: Sink | undefined;
let health: string[] = [];

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'homing-full-'));
  disk = join(directory, 'disk');
  health = [];
});

afterEach(async () => {
  await sink?.close();
  sink = undefined;
  spawnSync('umount', [disk]);
  await rm(directory, { recursive: true });
});

async function mountDisk(megabytes: number): Promise<void> {
  await mkdir(disk);
  run('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', disk);
}

async function openSink(options: Partial<RecordOptions> = {}): Promise<Sink> {
  sink = await openRecordSink(
    { directory: join(disk, 'recordings'), keepFreeBytes: 0, emit: () => undefined, ...options },
    { onDurable: () => undefined, onHealth: (isHealthy, message) => health.push(`${isHealthy} ${message}`) },
  );
  return sink;
}

async function until(isSo: () => boolean): Promise<void> {
  for (let round = 0; !isSo(); round += 1) {
    if (round > 2000) throw new Error('it did not come true within 20 s');
    await delay(10);
  }
}

const door = { name: 'default/door', stream: 'main', term: 5, media: 'text/plain' } as const;

describeWith(['root'], 'a disk that is full', () => {
  it('freezes durable, tells it, and goes on without a hole when there is room again', async () => {
    await mountDisk(4);
    await writeFile(join(disk, 'others'), Buffer.alloc(2_000_000));
    const stream = (await openSink()).open(door);
    stream.begin({ offset: 0, timeMs: 1000, why: 'start' });
    for (let at = 0; at < 3_000_000; at += 50_000) stream.write(recordedBytes(at, 50_000), true);
    await until(() => health.some((line) => line.startsWith('false')));
    expect(health.join()).toContain('ENOSPC');
    const frozen = stream.durable;
    await delay(1500);
    expect(stream.durable).toBe(frozen);
    expect(frozen).toBeLessThan(3_000_000);
    expect(stream.backlogBytes).toBeGreaterThan(0);
    await rm(join(disk, 'others'));
    await until(() => stream.durable === 3_000_000);
    await until(() => health.at(-1)?.startsWith('true') === true);
    await stream.close();
    const joined = await joinRecordings([join(disk, 'recordings')]);
    expect(joined).toMatchObject({ first: 0, notes: [], problems: [] });
    expect(joined.bytes.equals(recordedBytes(0, 3_000_000))).toBe(true);
  });

  it('does not keep a session from ending: what is not safe is left, what was is whole', async () => {
    await mountDisk(2);
    const stream = (await openSink()).open(door);
    stream.begin({ offset: 0, timeMs: 1000, why: 'start' });
    for (let at = 0; at < 4_000_000; at += 50_000) stream.write(recordedBytes(at, 50_000), true);
    await until(() => health.some((line) => line.startsWith('false')));
    await stream.close();
    expect(stream.durable).toBeLessThan(2_000_000);
    const joined = await joinRecordings([join(disk, 'recordings')]);
    expect(joined.bytes.length).toBeGreaterThanOrEqual(stream.durable);
    expect(joined.bytes.equals(recordedBytes(0, joined.bytes.length))).toBe(true);
  });

  it('is kept from getting full by deleting the oldest segments', async () => {
    await mountDisk(8);
    const stream = (await openSink({ keepFreeBytes: 4_000_000, segment: { segmentBytes: 500_000 } })).open(
      door,
    );
    stream.begin({ offset: 0, timeMs: 1000, why: 'start' });
    for (let at = 0; at < 12_000_000; at += 50_000) {
      stream.write(recordedBytes(at, 50_000), true);
      await until(() => stream.backlogBytes < 1_000_000);
    }
    stream.commit();
    await until(() => stream.durable === 12_000_000);
    await stream.close();
    const joined = await joinRecordings([join(disk, 'recordings')]);
    expect(joined.first).toBeGreaterThan(0);
    const first = joined.first ?? 0;
    expect(joined.bytes.equals(recordedBytes(first, 12_000_000 - first))).toBe(true);
    expect(joined).toMatchObject({ notes: [], problems: [] });
  });
});
