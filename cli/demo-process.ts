/** One `homing` process of the demo: started, listened to, and ended, never left behind. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { AgentEvent } from '../agent/events.ts';

const keptStderrLines = 20;
const stopAfterMs = 10_000;

interface Waiting {
  /** What is waited for, as an error says it. */
  readonly what: string;
  readonly matches: (event: AgentEvent) => boolean;
  readonly count?: number;
  readonly timeoutMs?: number;
}

/**
 * `homing ARGS --json`, in a process group of its own, so that a Ctrl-C reaches the demo first and the demo ends its
 * processes in order.
 */
export class DemoProcess {
  readonly name: string;
  /** Every event so far, in order. */
  readonly events: AgentEvent[] = [];
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #watchers = new Set<() => void>();
  readonly #stderr: string[] = [];
  #ended: string | undefined;

  constructor(name: string, args: readonly string[], onEvent: (event: AgentEvent) => void) {
    this.name = name;
    this.#child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...args, '--json'], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const event = parseEvent(line);
      if (event === undefined) return;
      this.events.push(event);
      onEvent(event);
      this.#look();
    });
    createInterface({ input: this.#child.stderr }).on('line', (line) => {
      this.#stderr.push(line);
      if (this.#stderr.length > keptStderrLines) this.#stderr.shift();
    });
    this.#child.once('close', (code, signal) => {
      this.#ended = [`${name} ended (${signal ?? `exit ${code}`})`, ...this.#stderr].join('\n  ');
      this.#look();
    });
  }

  /**
   * Resolves with `count` events that match, those that came already among them; rejects when the process ends or time is up.
   */
  until({ what, matches, count = 1, timeoutMs = 20_000 }: Waiting): Promise<readonly AgentEvent[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly AgentEvent[]>();
    const look = () => {
      const found = this.events.filter(matches);
      if (found.length >= count) resolve(found);
      else if (this.#ended !== undefined) reject(new Error(`waiting for ${what}: ${this.#ended}`));
    };
    const timer = setTimeout(() => {
      const found = this.events.filter(matches).length;
      reject(
        new Error(`waiting for ${what}: ${this.name} told ${found} of ${count} in ${timeoutMs / 1000} s`),
      );
    }, timeoutMs);
    this.#watchers.add(look);
    look();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#watchers.delete(look);
    });
  }

  /** SIGKILL: as if the plug were pulled. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** SIGTERM, then SIGKILL after 10 s; resolves when the process is gone. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopAfterMs);
    await gone;
    clearTimeout(timer);
  }

  #look(): void {
    for (const look of this.#watchers) look();
  }
}

function parseEvent(line: string): AgentEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isEvent(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Our own processes wrote it: the name is enough to tell an event from another line. */
function isEvent(value: unknown): value is AgentEvent {
  return typeof value === 'object' && value !== null && 'event' in value && typeof value.event === 'string';
}
