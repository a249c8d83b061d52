/** `homing` as real processes: those that run are started, listened to and ended; other commands end by themselves. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { AgentEvent } from '../../agent/events.ts';

const homingPath = new URL('../../bin/homing', import.meta.url).pathname;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export async function runHoming(...args: readonly string[]): Promise<Ended> {
  const child = spawn(homingPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const code = await onceClosed(child);
  return { code, stdout, stderr };
}

type EventNamed<Name extends AgentEvent['event']> = Extract<AgentEvent, { readonly event: Name }>;

/** Where a process runs. */
export interface Place {
  /** A network namespace. */
  readonly namespace?: string;
  /** Variables besides our own. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** A command that runs on, with `--json`. */
export class HomingProcess {
  readonly events: AgentEvent[] = [];
  readonly #child: ChildProcess;
  readonly #closed: Promise<number | null>;
  readonly #watchers = new Set<() => void>();
  #stderr = '';

  /** @param input what is its standard input; nothing if none is given */
  constructor(command: 'agent' | 'connect', args: readonly string[], input?: Readable, place: Place = {}) {
    const child = spawnAt(place, [command, ...args, '--json']);
    this.#child = child;
    this.#closed = onceClosed(child);
    // A process that has ended takes no more input; its exit code says so.
    child.stdin.on('error', () => input?.unpipe(child.stdin));
    if (input === undefined) child.stdin.end();
    else input.pipe(child.stdin);
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.events.push(parseEvent(line));
      for (const look of this.#watchers) look();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    child.once('close', () => {
      for (const look of this.#watchers) look();
    });
  }

  get stderr(): string {
    return this.#stderr;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Resolves with the exit code when it has ended by itself, null after SIGKILL. */
  get ended(): Promise<number | null> {
    return this.#closed;
  }

  of<Name extends AgentEvent['event']>(name: Name): readonly EventNamed<Name>[] {
    return this.events.filter((event): event is EventNamed<Name> => event.event === name);
  }

  /** Resolves with the first `count` events of that name that match; rejects where the agent ends or time is up. */
  async until<Name extends AgentEvent['event']>(
    name: Name,
    matches: (event: EventNamed<Name>) => boolean = () => true,
    count = 1,
  ): Promise<readonly EventNamed<Name>[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly EventNamed<Name>[]>();
    const look = (): void => {
      const found = this.of(name).filter(matches);
      if (found.length >= count) resolve(found.slice(0, count));
      else if (this.#child.exitCode !== null)
        reject(new Error(`waiting for ${name}: the process ended: ${this.#stderr}`));
    };
    const timer = setTimeout(() => {
      reject(
        new Error(`waiting for ${count} ${name}: ${JSON.stringify(this.events.slice(-20), undefined, 1)}`),
      );
    }, 45_000);
    this.#watchers.add(look);
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(look);
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Signals and waits; returns the exit code, null after SIGKILL. */
  async end(name: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.#child.exitCode === null) this.signal(name);
    return this.#closed;
  }
}

export class AgentProcess extends HomingProcess {
  constructor(args: readonly string[], place: Place = {}) {
    super('agent', args, undefined, place);
  }
}

/** `ip netns exec` becomes the command itself, so that the child's id is the command's. */
function spawnAt({ namespace, variables }: Place, args: readonly string[]) {
  const env = { ...process.env, ...variables };
  if (namespace === undefined) return spawn(homingPath, args, { env });
  return spawn('ip', ['netns', 'exec', namespace, homingPath, ...args], { env });
}

/** TCP ports of 127.0.0.1 that were free just now, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  return Promise.all(
    servers.map(async (server) => {
      const address = server.address();
      server.close();
      await once(server, 'close');
      if (typeof address !== 'object' || address === null) throw new Error('no port');
      return address.port;
    }),
  );
}

async function onceClosed(child: ChildProcess): Promise<number | null> {
  await once(child, 'close');
  return child.exitCode;
}

function parseEvent(line: string): AgentEvent {
  const event: unknown = JSON.parse(line);
  if (!isEvent(event)) throw new Error(`an agent printed ${line}`);
  return event;
}

function isEvent(value: unknown): value is AgentEvent {
  return typeof value === 'object' && value !== null && 'event' in value && 'time' in value;
}
