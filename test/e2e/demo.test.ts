import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const homing = path.join(import.meta.dirname, '../../bin/homing');
let temporary: string;

beforeEach(async () => {
  temporary = await mkdtemp(path.join(tmpdir(), 'homing-test-demo-'));
});

afterEach(async () => {
  await rm(temporary, { recursive: true, force: true });
});

describe('homing demo', () => {
  it('moves three cameras there, back when the plug is pulled, and there again, and loses nothing', async () => {
    const { lines, code } = await play(['--once', '--json']);
    const summary = JSON.parse(lines.at(-1) ?? '');
    expect(code).toBe(0);
    for (const camera of ['door', 'garden', 'garage']) {
      const moves = summary.handovers.filter(
        ({ client }: { client: string }) => client === `default/${camera}`,
      );
      expect(moves.map(({ from, to }: Record<string, string>) => `${from} → ${to}`)).toEqual([
        'pi → nuc',
        'nuc → pi',
        'pi → nuc',
      ]);
    }
    expect(summary.refused).toEqual(
      expect.arrayContaining(['pi', 'nuc'].map((by) => ({ by, reason: 'unknown-ca' }))),
    );
    const harm = { impostorClients: 0, movedByReplay: 0, strangerBytes: 0, framesLost: 0, framesDamaged: 0 };
    expect(summary).toMatchObject(harm);
    expect(summary.framesSent).toBeGreaterThan(500);
    expect(summary.seconds).toBeLessThan(90);
    await expectNothingLeft();
  });

  it('tells the story in plain lines where no terminal is, invites to play, and leaves nothing behind on Ctrl-C', async () => {
    const { lines, code } = await play([], (line, child) => {
      if (line.includes('homing status --state')) child.kill('SIGINT');
    });
    const story = lines.join('\n');
    expect(story).toMatch(/default\/door: pi → nuc in \d+ ms, 0 frames lost/);
    expect(story).toContain('nuc refused it: unknown-ca');
    expect(story).not.toContain('\x1b[');
    expect(story).toContain('homing check');
    expect(code).toBe(0);
    await expectNothingLeft();
  });

  it('leaves nothing behind when it is interrupted in the middle', async () => {
    await play([], (line, child) => {
      if (line.includes('nuc joins')) child.kill('SIGINT');
    });
    await expectNothingLeft();
  });
});

async function play(args: readonly string[], onLine: (line: string, child: ChildProcess) => void = () => {}) {
  const env = { ...process.env, TMPDIR: temporary };
  const child = spawn(homing, ['demo', ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    onLine(line, child);
  });
  const [code] = await once(child, 'close');
  return { lines, code };
}

/** The demo's processes name its folder in their arguments. */
async function expectNothingLeft(): Promise<void> {
  expect(await readdir(temporary)).toEqual([]);
  const commands = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  expect(commands.filter((command) => command.includes(temporary))).toEqual([]);
}
