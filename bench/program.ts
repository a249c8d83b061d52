/** Parts of a benchmark as processes of their own, asked by messages. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const reply = z.object({ id: z.number(), value: z.unknown().optional(), error: z.string().optional() });
const request = z.object({ id: z.number(), what: z.string(), input: z.unknown().optional() });

/** Where CPU profiles of the programs go; none are made where it is not set. */
const profilesVariable = 'BENCH_PROFILES';

/** Options of Node that make it write a CPU profile when it ends. */
export function profiling(): readonly string[] {
  const directory = process.env[profilesVariable];
  return directory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${directory}`];
}

/** What `bin/homing` tells Node.js. */
export function launcherOptions(): readonly string[] {
  const launcher = readFileSync(new URL('../bin/homing', import.meta.url), 'utf8');
  return /^exec "\$node" (--.*) "\$main"/m.exec(launcher)?.[1]?.split(' ') ?? [];
}

export class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #last = 0;

  /**
   * @param name of the file in bench/programs, without `.ts`
   * @param options of Node.js; `launcherOptions()` for programs made of our parts
   */
  constructor(name: string, options: readonly string[] = []) {
    const script = new URL(`programs/${name}.ts`, import.meta.url).pathname;
    this.#child = fork(script, { execArgv: [...options, ...profiling()], serialization: 'advanced' });
    this.#closed = once(this.#child, 'exit');
    this.#child.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${name} has ended`));
    });
    this.#child.on('message', (message) => this.#take(message));
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Asks for something; what is answered has that shape. */
  async ask<Shape extends z.ZodType>(shape: Shape, what: string, input?: unknown): Promise<z.output<Shape>> {
    this.#last += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#last, waiting);
    this.#child.send({ id: this.#last, what, input });
    return shape.parse(await waiting.promise);
  }

  /** Asks where nothing is to be known. */
  async tell(what: string, input?: unknown): Promise<void> {
    await this.ask(z.unknown(), what, input);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#closed;
  }

  #take(message: unknown): void {
    const { id, value, error } = reply.parse(message);
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  }
}

/** The other side, in a program: what it can be asked. It ends when nobody asks any more. */
export function answerRequests(answers: Readonly<Record<string, (input: unknown) => unknown>>): void {
  process.on('disconnect', () => process.exit());
  process.on('message', (message) => {
    const { id, what, input } = request.parse(message);
    const say = (said: object): unknown => process.send?.({ id, ...said });
    const answer = async (): Promise<unknown> => answers[what]?.(input);
    answer().then(
      (value) => say({ value }),
      (error: unknown) => say({ error: error instanceof Error ? (error.stack ?? '') : String(error) }),
    );
  });
}
