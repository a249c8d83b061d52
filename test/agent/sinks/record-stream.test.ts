import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RecordFolder } from '../../../agent/sinks/record-folder.ts';
import { RecordPlan } from '../../../agent/sinks/record-plan.ts';
import { type RecordHost, RecordStream } from '../../../agent/sinks/record-stream.ts';

let directory = '';
let failures: unknown[] = [];
let now = 0;

const host: RecordHost = {
  durability: 'Synced',
  now: () => now,
  wake: () => undefined,
  onDurable: () => undefined,
  onFailure: (error) => failures.push(error),
  onOpened: () => undefined,
  onGrown: () => undefined,
  onClosed: () => undefined,
};

/** A disk whose flushes fail when told to, as one does that has lost a sector. */
class FailingFolder extends RecordFolder {
  isFailing = false;
  override async syncIndex(): Promise<void> {
    if (this.isFailing) throw new Error('EIO: i/o error, fdatasync');
    await super.syncIndex();
  }
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'homing-stream-'));
  [failures, now] = [[], 0];
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

function open(): { stream: RecordStream; folder: FailingFolder } {
  const folder = new FailingFolder(directory, join(directory, 'default/door/main'));
  const plan = new RecordPlan('text/plain', { segmentBytes: 1e9, segmentMs: 1e9 });
  const address = { name: 'default/door', stream: 'main', term: 1, media: 'text/plain' } as const;
  const stream = new RecordStream(address, folder, plan, host);
  stream.begin({ offset: 0, timeMs: 0, why: 'start' });
  return { stream, folder };
}

describe('a recorded stream', () => {
  it('is frozen for good by a flush that fails, as the next one may say yes to what is lost', async () => {
    const { stream, folder } = open();
    stream.write(Buffer.from('one\n'), true);
    stream.commit();
    await stream.step(Infinity);
    expect(stream.durable).toBe(4);

    folder.isFailing = true;
    stream.write(Buffer.from('two\n'), true);
    stream.commit();
    await stream.step(Infinity);
    expect(failures).toHaveLength(1);
    expect(stream.isFrozen).toBe(true);
    expect(stream.durable).toBe(4);

    folder.isFailing = false;
    stream.write(Buffer.from('three\n'), true);
    stream.commit();
    for (let turn = 0; turn < 5; turn += 1) await stream.step(Infinity);
    expect(stream.durable).toBe(4);
    expect(stream.backlogBytes).toBe(0);
    expect(stream.isDone).toBe(true);
    await stream.close();
    await folder.close();
  });

  it('gives up what a disk that hangs was not given, once its session is over', async () => {
    const { stream, folder } = open();
    stream.write(Buffer.alloc(1000), true);
    expect([stream.backlogBytes > 1000, stream.leftBytes]).toEqual([true, 0]);
    const closed = stream.close();
    expect(stream.leftBytes).toBeGreaterThan(1000);
    stream.abandon();
    await closed;
    expect([stream.leftBytes, stream.isDone, stream.isFrozen, stream.durable]).toEqual([0, true, true, 0]);
    await folder.close();
  });

  it('gives up while its bytes are on their way, and closes its file when they are there', async () => {
    const { stream, folder } = open();
    stream.write(Buffer.from('one\n'), true);
    const writing = stream.step(Infinity);
    const closed = stream.close();
    stream.abandon();
    await closed;
    expect(stream.isDone).toBe(false);
    await writing;
    for (let turn = 0; turn < 3 && !stream.isDone; turn += 1) await stream.step(Infinity);
    expect([stream.isDone, stream.leftBytes, stream.durable]).toEqual([true, 0, 0]);
    expect(failures).toEqual([]);
    await folder.close();
  });

  it('waits for company for a while, and then for a second before it flushes', async () => {
    const { stream, folder } = open();
    expect(stream.dueAtMs(true)).toBeUndefined();
    stream.write(Buffer.from('one\n'), true);
    expect(stream.dueAtMs(true)).toBe(100);
    expect(stream.dueAtMs(false)).toBeUndefined();
    now = 100;
    await stream.step(Infinity);
    expect(stream.durable).toBe(0);
    expect(stream.dueAtMs(true)).toBe(1100);
    now = 1100;
    await stream.step(Infinity);
    expect(stream.durable).toBe(4);
    expect(stream.dueAtMs(true)).toBeUndefined();
    stream.write(Buffer.alloc(300_000, 0x61), true);
    expect(stream.dueAtMs(true)).toBe(0);
    void stream.close();
    await stream.step(Infinity);
    await folder.close();
    expect(stream.durable).toBe(300_004);
  });
});
