/** One `homing` process of the demo: started, listened to, and ended, never left behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { AgentEvent } from '../agent/events.ts';

const keptStderrLines = 20;
const stopAfterMs = 10_000;

/** A running `homing` command with `--json`. */
export interface DemoProcess {
  readonly name: string;
  /** Every event so far, in order. */
  readonly events: readonly AgentEvent[];
  readonly pid: number;
  /** Resolves with `count` events that match, those that came already among them; rejects when the process ends or time is up. */
  until(
    what: string,
    matches: (event: AgentEvent) => boolean,
    options?: { count?: number; timeoutMs?: number },
  ): Promise<readonly AgentEvent[]>;
  /** SIGTERM, then SIGKILL after 10 s; resolves when the process is gone. */
  stop(): Promise<void>;
}

/**
 * Starts `homing ARGS --json` in a process group of its own, so that a Ctrl-C reaches the demo first and the demo ends its
 * processes in order.
 */
export function startDemoProcess(
  name: string,
  args: readonly string[],
  onEvent: (event: AgentEvent) => void,
): DemoProcess {
  const child = spawn(process.execPath, [process.argv[1] ?? '', ...args, '--json'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const events: AgentEvent[] = [];
  const watchers = new Set<() => void>();
  const stderrLines: string[] = [];
  let ended: string | undefined;

  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = parseEvent(line);
    if (event === undefined) return;
    events.push(event);
    onEvent(event);
    for (const check of watchers) check();
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    stderrLines.push(line);
    if (stderrLines.length > keptStderrLines) stderrLines.shift();
  });
  child.once('exit', (code, signal) => {
    ended = `${name} ended (${signal ?? `exit ${code}`})${stderrLines.length > 0 ? `:\n  ${stderrLines.join('\n  ')}` : ''}`;
    for (const check of watchers) check();
  });

  return {
    name,
    events,
    pid: child.pid ?? 0,
    until(what, matches, { count = 1, timeoutMs = 20_000 } = {}) {
      return new Promise((resolve, reject) => {
        const check = () => {
          const found = events.filter(matches);
          if (found.length >= count) finish(() => resolve(found));
          else if (ended !== undefined) finish(() => reject(new Error(`waiting for ${what}: ${ended}`)));
        };
        const timer = setTimeout(() => {
          const found = events.filter(matches).length;
          finish(() =>
            reject(
              new Error(`waiting for ${what} of ${name}: ${found} of ${count} after ${timeoutMs / 1000} s`),
            ),
          );
        }, timeoutMs);
        const finish = (settle: () => void) => {
          clearTimeout(timer);
          watchers.delete(check);
          settle();
        };
        watchers.add(check);
        check();
      });
    },
    stop: () => stopChild(child),
  };
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopAfterMs);
  await gone;
  clearTimeout(timer);
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
