/** STATE/agent.sock: a local socket that tells an agent's status; also what keeps two agents from one STATE folder. */
import { mkdir, open, unlink, type FileHandle } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { ConfigError } from '../crds/config-error.ts';

export interface StatusSocket {
  close(): Promise<void>;
}

const socketName = 'agent.sock';
/** sockaddr_un.sun_path holds 108 bytes with its NUL; @see unix(7) */
const maxPathBytes = 107;
const maxReaders = 16;
const timeoutMs = 5000;
/** Statuses are some KiB; what is larger is not from an agent. */
const maxStatusBytes = 16 * 1024 * 1024;

/**
 * Answers each connection with one JSON line and closes it; nothing is written to disk for it.
 *
 * @throws ConfigError where another agent answers in that folder
 */
export async function openStatusSocket(directory: string, status: () => unknown): Promise<StatusSocket> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const place = await findPlace(directory);
  const server = createServer((reader) => answer(reader, status));
  server.maxConnections = maxReaders;
  try {
    await listenAlone(server, place.path, directory);
  } catch (error) {
    await place.close();
    throw error;
  }
  return {
    async close() {
      server.close();
      await once(server, 'close');
      await place.close();
    },
  };
}

/**
 * The status of the agent that runs with this STATE folder, or undefined where none does.
 *
 * @throws Error where something answers that is no status
 */
export async function readStatus(directory: string): Promise<unknown> {
  const place = await findPlace(directory).catch(undefinedIfMissing);
  if (place === undefined) return undefined;
  try {
    const text = await readAll(connect(place.path)).catch(undefinedIfMissing);
    return text === undefined ? undefined : JSON.parse(text);
  } finally {
    await place.close();
  }
}

function answer(reader: Socket, status: () => unknown): void {
  reader.setTimeout(timeoutMs, () => reader.destroy());
  reader.on('error', () => reader.destroy());
  reader.resume();
  reader.end(`${JSON.stringify(status())}\n`);
}

async function readAll(socket: Socket): Promise<string> {
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error('the agent does not answer')));
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of socket) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > maxStatusBytes) throw new RangeError(`status is larger than ${maxStatusBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function listenAlone(server: Server, path: string, directory: string): Promise<void> {
  try {
    await listen(server, path);
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw error;
    if ((await readStatus(directory)) !== undefined) {
      throw new ConfigError({
        file: directory,
        message: 'another agent runs with this state folder: each needs its own --state',
      });
    }
    // A socket that nobody answers at was left by an agent that was killed.
    await unlink(path);
    await listen(server, path);
  }
}

async function listen(server: Server, path: string): Promise<void> {
  server.listen(path);
  await once(server, 'listening');
}

interface Place {
  readonly path: string;
  close(): Promise<void>;
}

/** A folder's socket, however long its path: by the descriptor of the folder where the name would not fit. */
async function findPlace(directory: string): Promise<Place> {
  const path = join(directory, socketName);
  if (Buffer.byteLength(path) <= maxPathBytes) return { path, close: async () => {} };
  const folder: FileHandle = await open(directory, 'r');
  return { path: `/proc/self/fd/${folder.fd}/${socketName}`, close: async () => folder.close() };
}

function undefinedIfMissing(error: unknown): undefined {
  const code = codeOf(error);
  if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined;
  throw error;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
