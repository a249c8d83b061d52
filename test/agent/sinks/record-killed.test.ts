import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recoverRecordings } from '../../../agent/sinks/record-recovery.ts';
import { joinRecordings } from '../../support/join-recordings.ts';
import { recordedBytes } from '../../support/recorded-bytes.ts';

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'homing-record-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** Records until `durable` has risen `rises` times and a little longer; gives the last offset that was called durable. */
async function recordAndKill(durability: string, term: number, rises: number): Promise<number> {
  const writer = join(import.meta.dirname, '../../support/record-writer.ts');
  const child = spawn(process.execPath, [writer, directory, durability, `${term}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  const risen = Promise.withResolvers<void>();
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    printed += text;
    if (printed.split('\n').length > rises) risen.resolve();
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  await Promise.race([risen.promise, closed]);
  await delay(270 * rises);
  child.kill('SIGKILL');
  await closed;
  return Number(printed.slice(0, printed.lastIndexOf('\n')).split('\n').at(-1));
}

describe('a recorder that is killed', () => {
  for (const durability of ['Synced', 'Written']) {
    it(`keeps all that it called durable, and joins to a prefix of the source (${durability})`, async () => {
      for (let round = 1; round <= 2; round += 1) {
        const durable = await recordAndKill(durability, round, round);
        expect(durable).toBeGreaterThan(0);
        await recoverRecordings(directory);
        const joined = await joinRecordings([directory], round);
        expect(joined.first).toBe(0);
        expect(joined.notes).toEqual([]);
        expect(joined.bytes.length).toBeGreaterThanOrEqual(durable);
        expect(joined.bytes.equals(recordedBytes(0, joined.bytes.length))).toBe(true);
      }
    });
  }
});
