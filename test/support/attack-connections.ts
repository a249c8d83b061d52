/**
 * Wears out a server's port, as a program: `attack-connections.ts IP PORT CA CERT KEY`. Always open are connections that say
 * nothing, that say their ClientHello byte by byte, and, with a camera's certificate, that shake hands and then say nothing or
 * their hello byte by byte; again and again come garbage, and garbage as hello. A line on standard input is answered by how
 * many of each there were.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type Socket, connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { connect as connectTls } from 'node:tls';

const [host = '', port = '', caFile = '', certFile = '', keyFile = ''] = process.argv.slice(2);
const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map((file) => readFile(file)));
const opened = { silent: 0, slowHandshake: 0, silentClient: 0, slowHello: 0, garbage: 0, garbageHello: 0 };
type Kind = keyof typeof opened;

const hello = await captureClientHello();

const attacks: Readonly<Record<Kind, { readonly atOnce: number; start(): Socket }>> = {
  silent: { atOnce: 300, start: call },
  slowHandshake: { atOnce: 40, start: () => drip(call(), hello) },
  silentClient: { atOnce: 6, start: callAsCamera },
  slowHello: { atOnce: 6, start: () => drip(callAsCamera(), Buffer.from('<hosp xmlns="http://www.darwin')) },
  garbage: { atOnce: 8, start: () => say(call(), randomBytes(60_000)) },
  garbageHello: { atOnce: 3, start: () => say(callAsCamera(), randomBytes(20_000)) },
};
/** Nobody dials faster than this: an attacker is one machine of two cores that also runs its victims. */
const redialMs = 100;

for (const kind of [
  'silent',
  'slowHandshake',
  'silentClient',
  'slowHello',
  'garbage',
  'garbageHello',
] as const) {
  for (let index = 0; index < attacks[kind].atOnce; index += 1) keepOpen(kind);
}
createInterface({ input: process.stdin }).on('line', () => {
  process.stdout.write(`${JSON.stringify(opened)}\n`);
});

function keepOpen(kind: Kind): void {
  opened[kind] += 1;
  const socket = attacks[kind].start();
  socket.on('error', () => undefined);
  socket.resume();
  socket.once('close', () => setTimeout(() => keepOpen(kind), redialMs));
}

function call(): Socket {
  return connect(Number(port), host);
}

function callAsCamera(): Socket {
  return connectTls({
    host,
    port: Number(port),
    ca,
    cert,
    key,
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['hosp/1'],
    checkServerIdentity: () => undefined,
  });
}

function say(socket: Socket, bytes: Uint8Array): Socket {
  socket.once('connect', () => socket.write(bytes));
  return socket;
}

function drip(socket: Socket, bytes: Uint8Array): Socket {
  let at = 0;
  const timer = setInterval(() => {
    if (at < bytes.length - 1) socket.write(bytes.subarray(at, at + 1));
    at += 1;
  }, 250);
  socket.once('close', () => clearInterval(timer));
  return socket;
}

/** What a TLS client says first. */
async function captureClientHello(): Promise<Uint8Array> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  const client = connectTls({ host: '127.0.0.1', port: address.port, minVersion: 'TLSv1.3' });
  client.on('error', () => undefined);
  const [socket] = await once(server, 'connection');
  const [bytes] = await once(socket, 'data');
  client.destroy();
  server.close();
  return bytes;
}
