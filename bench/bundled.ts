/** `homing` out of the bundle, as the image and the packages run it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundle } from '../image/bundle.ts';
import { readLaunch } from '../image/launch.ts';

const top = path.join(import.meta.dirname, '..');

/** A bundle of the sources as they are now; gone in the end, with what runs out of it. */
export class Bundle implements AsyncDisposable {
  readonly #directory: string;
  readonly #children: ChildProcess[] = [];

  static async open(): Promise<Bundle> {
    const directory = await mkdtemp(path.join(tmpdir(), 'homing-bench-bundle-'));
    await bundle(path.join(directory, 'dist'));
    return new Bundle(directory);
  }

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Starts a command that runs on. @returns its process */
  start(...args: readonly string[]): Promise<number> {
    return this.#spawn(`homing ${args[0]}`, [path.join(this.#directory, 'dist/homing.js'), ...args]);
  }

  /** Node.js with what every program of ours needs of it, and nothing else. */
  startBare(): Promise<number> {
    const script = `import 'node:tls'; import 'node:dgram'; import 'node:fs/promises'; console.log(''); setInterval(() => {}, 60_000);`;
    return this.#spawn('Node.js', ['--input-type=module', '--eval', script]);
  }

  async #spawn(what: string, args: readonly string[]): Promise<number> {
    const { nodeFlags, variables } = await readLaunch(top);
    const child = spawn(process.execPath, [...nodeFlags, ...args], {
      env: { PATH: process.env['PATH'], ...variables },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`${what} has ended with ${code}`);
    });
    // Its first word is that it has started.
    await Promise.race([once(child.stdout, 'data'), ended]);
    ended.catch(() => {});
    child.stdout.resume();
    return child.pid ?? -1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(this.#directory, { recursive: true });
  }
}
