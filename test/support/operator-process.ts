/** `homing operator` as a real process, as a pod would run it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const homingPath = new URL('../../bin/homing', import.meta.url).pathname;

/** With `--json`; what it prints is kept. */
export class OperatorProcess {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;

  constructor(pod: string, args: readonly string[]) {
    this.#child = spawn(homingPath, ['operator', '--json', ...args], {
      env: { ...process.env, POD_NAME: pod },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (this.#child.stdout === null) throw new Error('no output');
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.lines.push(line));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Waits for a line that says this. */
  async says(...words: readonly string[]): Promise<void> {
    const holds = () => this.lines.some((line) => words.every((word) => line.includes(word)));
    for (const end = Date.now() + 40_000; !holds(); await sleep(100)) {
      if (Date.now() > end) throw new Error(`waiting for ${words.join(' ')} in ${this.lines.join(' | ')}`);
    }
  }

  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    return this.ended();
  }
}
