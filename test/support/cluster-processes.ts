/** Processes in network namespaces that end with the test that started them, however it ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';

export interface NamespaceProcess {
  readonly child: ChildProcess;
  readonly log: string;
}

/**
 * Starts it with its output in `log`. Not by `ip netns exec`, which hides the cgroups. The kernel kills it when this
 * process dies.
 */
export function startInNamespace(
  namespace: string,
  command: readonly string[],
  log: string,
  env: NodeJS.ProcessEnv = process.env,
): NamespaceProcess {
  const output = openSync(log, 'a');
  const enter = ['--pdeathsig', 'KILL', '--', 'nsenter', `--net=/run/netns/${namespace}`, '--'];
  const child = spawn('setpriv', [...enter, ...command], { stdio: ['ignore', output, output], env });
  return { child, log };
}

/** Ends it; a signal that it does not obey within some seconds is followed by SIGKILL. */
export async function endProcess({ child }: NamespaceProcess, signal: NodeJS.Signals): Promise<void> {
  if (hasEnded(child)) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), 5000);
  await gone;
  clearTimeout(late);
}

/** What it said last. */
export function tailOf({ log }: NamespaceProcess): string {
  return readFileSync(log, 'utf8').slice(-3000);
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
