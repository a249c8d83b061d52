/**
 * A camera that looks at its watch, as a program: `ack-meter.ts IP PORT CA CERT KEY`. It sends a little each 20 ms and answers
 * each line on standard input by the longest time between two acks since the last such line, as JSON, milliseconds.
 */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { dialTls } from '../../tls/dialing.ts';
import { loadIdentity } from '../../tls/identity.ts';
import { type HospDocument, encodeDocument, parseDocument } from '../../protocol/documents.ts';
import { encodeFrame } from '../../protocol/frames.ts';
import { isClientId, isServerId } from '../../protocol/identifiers.ts';
import { LineReader } from '../../protocol/lines.ts';
import { trustOf } from './certificates.ts';

const [ip = '', port = '', caFile = '', certFile = '', keyFile = ''] = process.argv.slice(2);
const identity = await loadIdentity(certFile, keyFile);
const { socket, leaf } = await dialTls({
  endpoint: { ip, port: Number(port) },
  identity,
  trust: trustOf(await readFile(caFile, 'utf8')),
  alpn: 'hosp/1',
  signal: new AbortController().signal,
  timeoutMs: 10_000,
});
if (!isClientId(identity.leaf.id) || !isServerId(leaf.id)) throw new Error('wrong certificates');

const lines = new LineReader();
let [acks, longestMs, lastMs] = [0, 0, performance.now()];
socket.on('data', (bytes: Uint8Array) => {
  lines.push(bytes);
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    const document = line.ok ? parseDocument(line.value) : line;
    if (document.ok) take(document.value.body);
  }
});
socket.on('close', () => process.exit(1));

const connect = encodeDocument({
  kind: 'connect',
  to: leaf.id,
  from: identity.leaf.id,
  stream: 'main',
  media: 'application/octet-stream',
  term: Date.now(),
  requires: [],
  weights: {},
  mode: 'Best',
  moveAfterMs: 0,
});
socket.write(`${connect}\n`);
await once(socket, 'data');
socket.write(
  encodeFrame('control', encodeDocument({ kind: 'begin', offset: 0, time: Date.now(), why: 'start' })),
);
setInterval(() => socket.write(encodeFrame('media', Buffer.alloc(1000))), 20);

createInterface({ input: process.stdin }).on('line', () => {
  process.stdout.write(`${JSON.stringify({ acks, longestMs: Math.round(longestMs) })}\n`);
  [acks, longestMs] = [0, 0];
});

function take({ kind }: HospDocument): void {
  if (kind !== 'ack') return;
  acks += 1;
  longestMs = Math.max(longestMs, performance.now() - lastMs);
  lastMs = performance.now();
}
