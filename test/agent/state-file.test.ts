import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStateFile, type StateFile } from '../../agent/state-file.ts';

let directory: string;
let problems: string[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'homing-state-'));
  problems = [];
});
afterEach(async () => rm(directory, { recursive: true, force: true }));

const open = async (intervalMs?: number): Promise<StateFile> =>
  openStateFile({
    directory,
    onProblem: (message) => problems.push(message),
    ...(intervalMs === undefined ? {} : { intervalMs }),
  });

describe('the state of an agent', () => {
  it('comes back as it was given', async () => {
    const first = await open();
    expect(first.read('server')).toBeUndefined();
    first.write('server', { boot: 17, peers: [{ id: 'hcsp:x' }] });
    first.write('client default/door', { term: 3 });
    await first.close();
    const second = await open();
    expect(second.read('server')).toEqual({ boot: 17, peers: [{ id: 'hcsp:x' }] });
    expect(second.read('client default/door')).toEqual({ term: 3 });
    expect(problems).toEqual([]);
  });

  it('is for its user only', async () => {
    const state = await open();
    state.write('server', 1);
    await state.close();
    expect((await stat(join(directory, 'state.json'))).mode & 0o777).toBe(0o600);
  });

  it('is written at once, then at most once an interval, and not where nothing changed', async () => {
    const state = await open(300_000);
    state.write('server', 1);
    await wait(100);
    expect(await readFile(join(directory, 'state.json'), 'utf8')).toContain('"server":1');
    for (let value = 2; value <= 100; value++) state.write('server', value);
    await wait(100);
    expect(await readFile(join(directory, 'state.json'), 'utf8')).toContain('"server":1');
    await state.close();
    expect(await readFile(join(directory, 'state.json'), 'utf8')).toContain('"server":100');
    const before = await stat(join(directory, 'state.json'));
    const again = await open();
    again.write('server', 100);
    await again.close();
    expect((await stat(join(directory, 'state.json'))).ino).toBe(before.ino);
  });

  it('falls back to the one before where the file is torn, and says so', async () => {
    const state = await open(0);
    state.write('server', { boot: 1 });
    await state.flush();
    state.write('server', { boot: 2 });
    await state.close();
    const whole = await readFile(join(directory, 'state.json'));
    for (const length of [0, 1, 10, whole.length - 1]) {
      await writeFile(join(directory, 'state.json'), whole.subarray(0, length));
      problems = [];
      const torn = await open();
      expect(torn.read('server')).toEqual({ boot: 1 });
      expect(problems.join('\n')).toContain('state.json');
    }
  });

  it.each(['null', '[]', '{"version":2,"sections":{}}', '{"version":1,"sections":[]}', '\u0000'])(
    'starts empty from a strange file: %j',
    async (text) => {
      await writeFile(join(directory, 'state.json'), text);
      const state = await open();
      expect(state.read('server')).toBeUndefined();
      expect(problems).toHaveLength(1);
      state.write('server', 1);
      await state.close();
      expect((await open()).read('server')).toBe(1);
    },
  );

  it('goes on where it cannot be written, and writes when it can again', async () => {
    const state = await open(0);
    await rm(directory, { recursive: true });
    state.write('server', 1);
    await state.flush();
    expect(problems[0]).toMatch(/^writing .*state\.json: ENOENT/);
    await open();
    await state.close();
    expect((await open()).read('server')).toBe(1);
  });

  it('takes a write while another is under way', async () => {
    const state = await open(0);
    const flushes: Promise<void>[] = [];
    for (let value = 0; value < 50; value++) {
      state.write('server', value);
      flushes.push(state.flush());
      await wait(0);
    }
    await Promise.all(flushes);
    await state.close();
    expect((await open()).read('server')).toBe(49);
    expect((await readdir(directory)).toSorted()).toEqual(['state.json', 'state.json.previous']);
  });

  it('is whole after each of ten kills in the middle of writing', async () => {
    const script = `
      import { openStateFile } from ${JSON.stringify(new URL('../../agent/state-file.ts', import.meta.url).href)};
      const state = await openStateFile({ directory: process.argv[1], onProblem: (m) => console.log(m), intervalMs: 0 });
      let value = Number(state.read('count') ?? 0);
      for (;;) { state.write('count', ++value); state.write('filler', 'x'.repeat(20000)); await state.flush(); console.log(value); }`;
    let known = 0;
    for (let round = 0; round < 10; round++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, directory]);
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
      while (!output.includes('\n')) await wait(5);
      await wait(round * 3);
      child.kill('SIGKILL');
      await once(child, 'close');
      const counts = output.trim().split('\n').map(Number);
      const state = await open();
      expect(problems).toEqual([]);
      expect(state.read('count')).toBeGreaterThanOrEqual(Math.max(known, ...counts));
      expect(state.read('filler')).toHaveLength(20_000);
      known = Number(state.read('count'));
    }
  });
});

it('makes its folder for its user only', async () => {
  const inner = join(directory, 'a', 'b');
  await (await openStateFile({ directory: inner, onProblem: (message) => problems.push(message) })).close();
  expect((await stat(inner)).mode & 0o777).toBe(0o700);
  await chmod(inner, 0o700);
});
