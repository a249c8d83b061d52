/** A program of test/support on a host, which answers each line by a line of JSON. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export class AskedProgram {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #closed: Promise<unknown>;

  /** @param name of the file, without `.ts` */
  constructor(namespace: string, name: string, args: readonly string[]) {
    const script = new URL(`${name}.ts`, import.meta.url).pathname;
    const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, script, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    this.#closed = once(child, 'close');
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Asks for the next line. */
  ask(): Promise<unknown> {
    this.#child.stdin?.write('\n');
    return this.answer();
  }

  /** The next line, unasked; rejects where the program has ended. */
  async answer(): Promise<unknown> {
    const next = await this.#answers.next();
    if (next.done === true) throw new Error('the program has ended');
    return JSON.parse(next.value);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }
}
