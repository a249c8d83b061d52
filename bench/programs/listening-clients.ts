/** Cameras that stream next to nothing and note when they are told to go elsewhere; they never go. */
import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Identity } from '../../tls/identity.ts';
import { dialTls } from '../../tls/dialing.ts';
import { encodeDocument, parseDocument } from '../../protocol/documents.ts';
import { encodeFrame } from '../../protocol/frames.ts';
import { isClientId, isServerId } from '../../protocol/identifiers.ts';
import { LineReader } from '../../protocol/lines.ts';
import type { TrustSet } from '../../protocol/trust.ts';
import { trustOf } from '../../test/support/certificates.ts';
import { identityOf, papers } from '../home.ts';
import { monotonicMs } from '../machine.ts';
import { answerRequests } from '../program.ts';

const opening = z.object({ anchorsPem: z.string(), papers: z.array(papers), port: z.number() });
const batch = 20;
const sockets = new Set<TLSSocket>();
let redirectedMs: number[] = [];

answerRequests({
  open: async (input) => {
    const { anchorsPem, papers: all, port } = opening.parse(input);
    redirectedMs = [];
    const trust = trustOf(anchorsPem);
    for (let at = 0; at < all.length; at += batch) {
      const some = all.slice(at, at + batch);
      await Promise.all(some.map((texts) => openClient(identityOf(texts), trust, port)));
    }
  },
  /** When each was told, in monotonic milliseconds. */
  redirected: () => redirectedMs,
  close: async () => {
    await Promise.all(
      [...sockets].map((socket) => {
        socket.destroy();
        return once(socket, 'close');
      }),
    );
    sockets.clear();
    // The server has seen it.
    await delay(200, undefined);
  },
});

async function openClient(identity: Identity, trust: TrustSet, port: number): Promise<void> {
  const { socket, leaf } = await dialTls({
    endpoint: { ip: '127.0.0.1', port },
    identity,
    trust,
    alpn: 'hosp/1',
    signal: new AbortController().signal,
    timeoutMs: 20_000,
  });
  if (!isClientId(identity.leaf.id) || !isServerId(leaf.id)) throw new Error('wrong certificates');
  sockets.add(socket);
  socket.on('error', () => {});
  const hello = encodeDocument({
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
  socket.write(`${hello}\n`);
  await once(socket, 'data');
  listen(socket);
  const begin = encodeDocument({ kind: 'begin', offset: 0, time: Date.now(), why: 'start' });
  socket.write(encodeFrame('control', begin));
  socket.write(encodeFrame('media', Buffer.alloc(1000)));
}

function listen(socket: TLSSocket): void {
  const lines = new LineReader();
  socket.on('data', (bytes: Uint8Array) => {
    lines.push(bytes);
    for (let line = lines.next(); line !== undefined; line = lines.next()) {
      const document = line.ok ? parseDocument(line.value) : line;
      if (document.ok && document.value.body.kind === 'redirect') redirectedMs.push(monotonicMs());
    }
  });
}
