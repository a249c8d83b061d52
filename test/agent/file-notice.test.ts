/** Notices on a real disk. */
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type FileNotice, noticeFiles } from '../../agent/file-notice.ts';

let folder = '';
let notice: FileNotice | undefined;
let count = 0;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'homing-notice-'));
  count = 0;
});
afterEach(async () => {
  notice?.close();
  await rm(folder, { recursive: true });
});

const inFolder = (name: string) => path.join(folder, name);
const listen = (place: string) => {
  notice = noticeFiles(place, ['deny.txt', '..data'], () => (count += 1));
};
const expectNotice = () => vi.waitFor(() => expect(count).toBeGreaterThan(0), { timeout: 10_000 });

describe('a notice', () => {
  it('comes when a named file is written, and for no other file', async () => {
    listen(folder);
    await writeFile(inFolder('another'), 'x');
    await writeFile(inFolder('deny.txt'), 'x');
    await expectNotice();
    notice?.close();
    count = 0;
    listen(folder);
    await writeFile(inFolder('another'), 'y');
    await rename(inFolder('another'), inFolder('third'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(count).toBe(0);
  });

  it('comes when a link is swapped', async () => {
    await symlink('one', inFolder('..data'));
    listen(folder);
    await symlink('two', inFolder('..tmp'));
    await rename(inFolder('..tmp'), inFolder('..data'));
    await expectNotice();
  });

  it('comes each time that a single file is replaced', async () => {
    const file = inFolder('trust.pem');
    await writeFile(file, '0');
    listen(file);
    for (const text of ['1', '2']) {
      count = 0;
      await writeFile(inFolder('next'), text);
      await rename(inFolder('next'), file);
      await expectNotice();
    }
  });

  it('does not come, and does no harm, where there is no such folder', () => {
    listen(inFolder('none/deny.txt'));
    expect(notice).toBeDefined();
    expect(count).toBe(0);
  });
});
