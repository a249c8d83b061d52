/** One watch: from its request to its end, with a watchdog for one that hangs. */
import type { IncomingMessage } from 'node:http';
import { KubeError, type KubeConnection, type KubeRequest } from './connection.ts';
import { LineSplitter, readWatchEvent, type WatchEvent } from './watch-events.ts';

export interface FollowOptions {
  readonly connection: KubeConnection;
  readonly request: KubeRequest;
  readonly idleMs: number;
}

/**
 * Gives each event until the server ends the watch, be it in the middle of a line: what was cut off comes again behind the
 * last version. Rejects with a KubeError where the server says so (410: list again), where nothing comes for `idleMs`, and
 * with 410 of our own where a line cannot be read: only a list tells what was in it.
 */
export async function followWatch(
  { connection, request, idleMs }: FollowOptions,
  onEvent: (event: WatchEvent) => void,
): Promise<void> {
  const what = `watching ${request.path}`;
  const response = await connection.stream(request);
  let isIdle = false;
  const watchdog = setTimeout(() => {
    isIdle = true;
    response.destroy();
  }, idleMs);
  try {
    refuseForeign(response, what);
    const lines = new LineSplitter();
    for await (const chunk of response) {
      watchdog.refresh();
      const whole = lines.push(chunk);
      if (whole === undefined) throw unreadable(`${what}: a line is too long`);
      for (const line of whole) onEvent(judge(readWatchEvent(line), what));
    }
  } catch (error) {
    if (error instanceof KubeError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    const message = isIdle ? `silent for ${idleMs} ms` : why;
    throw new KubeError(`${what}: ${message}`, { status: 0, reason: 'NoAnswer' }, { cause: error });
  } finally {
    clearTimeout(watchdog);
    response.destroy();
  }
}

function judge(event: WatchEvent, what: string): WatchEvent {
  if (event.type === 'broken') throw unreadable(`${what}: a line is no event`);
  if (event.type !== 'error') return event;
  throw new KubeError(`${what}: ${event.status} ${event.message}`, {
    status: event.status,
    reason: event.status === 410 ? 'Expired' : 'WatchError',
  });
}

function refuseForeign({ headers }: IncomingMessage, what: string): void {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = headers;
  if (type.startsWith('application/json') && encoding === 'identity') return;
  throw new KubeError(`${what}: the answer is not JSON as it was asked for: is there a proxy between?`, {
    status: 0,
    reason: 'NotKubernetes',
  });
}

function unreadable(message: string): KubeError {
  return new KubeError(message, { status: 410, reason: 'Unreadable' });
}
