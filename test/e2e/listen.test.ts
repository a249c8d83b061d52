import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { runHoming } from '../support/agent-process.ts';

const homing = path.join(import.meta.dirname, '../../bin/homing');
const eventLine = z.looseObject({ event: z.string(), time: z.iso.datetime() });

describe('homing listen', () => {
  let directory: string;
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'homing-listen-'));
    for (const [ca, server] of [
      ['ca', 'pi'],
      ['stranger', 'impostor'],
    ] as const) {
      await run('ca', 'init', '--out', file(ca));
      await run('ca', 'issue', '--ca', file(ca), '--server', server, '--out', directory);
    }
  });
  afterEach(async () => {
    for (const child of running.splice(0)) {
      if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit');
    }
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const file = (name: string) => path.join(directory, name);

  async function run(...args: readonly string[]): Promise<void> {
    const { code, stderr } = await runHoming(...args);
    if (code !== 0) throw new Error(stderr);
  }

  function announce(name: string, count: string): Promise<void> {
    const identity = ['--cert', file(`${name}.crt`), '--key', file(`${name}.key`)];
    const facts = ['--features', 'hcsp,db', '--connected', '1', '--max', '5', '--address', '127.0.0.1:17320'];
    return run('announce', ...identity, ...facts, '--interface', 'lo', '--count', count);
  }

  async function listen(...args: readonly string[]) {
    const child = spawn(homing, ['listen', '--trust', file('ca/ca.crt'), '--interface', 'lo', ...args]);
    running.push(child);
    const lines: string[] = [];
    const notes: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    createInterface({ input: child.stderr }).on('line', (line) => notes.push(line));
    await vi.waitFor(() => expect(notes.join()).toContain('listening to 239.255.73.20'), 15_000);
    return { child, lines, notes };
  }

  it('prints as JSON what it heard, and what it dropped with the reason and at most once a second', async () => {
    const { child, lines } = await listen('--json');
    const startedAtMs = performance.now();
    await announce('pi', '1');
    await announce('impostor', '8');
    const events = () => lines.map((line) => eventLine.parse(JSON.parse(line)));
    await vi.waitFor(() => {
      const dropped = events().filter(({ event, reason }) => event === 'dropped' && reason === 'unknown-ca');
      // Others on this machine may try their own homes on lo: theirs are of an unknown CA as well.
      expect(dropped.reduce((sum, { count }) => sum + Number(count), 0)).toBeGreaterThanOrEqual(8);
      expect(dropped.length).toBeLessThanOrEqual(2 + (performance.now() - startedAtMs) / 1000);
    }, 10_000);
    expect(events().filter(({ event }) => event === 'heard')).toMatchObject([
      {
        server: 'pi',
        address: '127.0.0.1:17320',
        features: ['hcsp', 'db'],
        connected: 1,
        max: 5,
        via: 'multicast',
      },
    ]);
    child.kill('SIGTERM');
    await expect(once(child, 'exit')).resolves.toEqual([0, null]);
  });

  it('prints lines for people without --json', async () => {
    const { lines } = await listen();
    await announce('pi', '1');
    await vi.waitFor(() => expect(lines.join('\n')).toMatch(/heard\s+pi/), 10_000);
  });

  it.each([
    [['--trust', 'none-such.crt'], 'none-such.crt'],
    [['--interface', 'none-such'], 'none-such'],
    [['--trust'], '--trust'],
    [['--port', '1'], '--port'],
  ])('exits 2 with %s', async (args, offender) => {
    const { code, stderr, stdout } = await runHoming('listen', '--trust', file('ca/ca.crt'), ...args);
    expect({ code, stdout: stdout.includes('heard') }).toEqual({ code: 2, stdout: false });
    expect(stderr).toContain(offender);
  });

  it('has help with examples', async () => {
    const { code, stdout } = await runHoming('listen', '--help');
    expect(code).toBe(0);
    expect(stdout).toContain('homing listen --trust ca/ca.crt --interface lo --json');
  });
});
