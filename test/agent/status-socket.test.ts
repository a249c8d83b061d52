import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openStatusSocket, readStatus } from '../../agent/status-socket.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'homing-status-'));
});
afterEach(async () => rm(directory, { recursive: true, force: true }));

it('tells the status of now to each reader, and nothing after it is closed', async () => {
  let asked = 0;
  const socket = await openStatusSocket(directory, () => ({ asked: ++asked }));
  expect(await readStatus(directory)).toEqual({ asked: 1 });
  expect(await Promise.all([readStatus(directory), readStatus(directory)])).toHaveLength(2);
  expect(await readStatus(directory)).toEqual({ asked: 4 });
  await socket.close();
  expect(await readStatus(directory)).toBeUndefined();
  expect(await readdir(directory)).toEqual([]);
});

it('is undefined where no agent ever ran', async () => {
  expect(await readStatus(directory)).toBeUndefined();
  expect(await readStatus(join(directory, 'missing'))).toBeUndefined();
});

it('keeps a second agent from the same folder', async () => {
  const first = await openStatusSocket(directory, () => 1);
  await expect(openStatusSocket(directory, () => 2)).rejects.toThrow(
    `${directory}: another agent runs with this state folder: each needs its own --state`,
  );
  expect(await readStatus(directory)).toBe(1);
  await first.close();
});

it('takes over the folder of an agent that was killed', async () => {
  const module = new URL('../../agent/status-socket.ts', import.meta.url).href;
  const script = `
    import { openStatusSocket } from ${JSON.stringify(module)};
    await openStatusSocket(process.argv[1], () => 'old');
    console.log('open');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, directory]);
  await once(child.stdout, 'data');
  expect(await readStatus(directory)).toBe('old');
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(await readdir(directory)).toEqual(['agent.sock']);
  expect(await readStatus(directory)).toBeUndefined();
  const socket = await openStatusSocket(directory, () => 'new');
  expect(await readStatus(directory)).toBe('new');
  await socket.close();
});

it('works in a folder whose path is longer than a socket address', async () => {
  const long = join(directory, 'x'.repeat(120));
  const socket = await openStatusSocket(long, () => 'far');
  expect(await readStatus(long)).toBe('far');
  await expect(openStatusSocket(long, () => 'second')).rejects.toThrow('another agent runs');
  await socket.close();
  expect(await readStatus(long)).toBeUndefined();
  expect(await readdir(long)).toEqual([]);
});

it('goes on when readers hang up without reading', async () => {
  const socket = await openStatusSocket(directory, () => 'x'.repeat(1_000_000));
  for (let reader = 0; reader < 40; reader++) {
    const rude = connect(join(directory, 'agent.sock'));
    rude.on('error', () => {});
    await once(rude, 'connect');
    rude.destroy();
  }
  expect(await readStatus(directory)).toHaveLength(1_000_000);
  await socket.close();
});
