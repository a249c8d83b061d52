/**
 * A hundred cameras as one program: each sends a frame of 20,000 bytes 25 times a second over its own mutual TLS connection,
 * 4 Mbit/s. To a server of ours they say hello first; what they send is the same, in frames of the protocol, wherever it goes.
 */
import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { z } from 'zod';
import type { Identity } from '../../tls/identity.ts';
import { dialTls } from '../../tls/dialing.ts';
import { tlsClientOptions } from '../../tls/peers.ts';
import { connect } from 'node:tls';
import { encodeDocument } from '../../protocol/documents.ts';
import { encodeFrame } from '../../protocol/frames.ts';
import { isClientId, isServerId } from '../../protocol/identifiers.ts';
import type { TrustSet } from '../../protocol/trust.ts';
import { trustOf } from '../../test/support/certificates.ts';
import { identityOf, papers } from '../home.ts';
import { answerRequests } from '../program.ts';

const frameBytes = 20_000;
const framesPerSecond = 25;
/** Cameras do not all give their frames at the same moment. */
const phases = 20;
const phaseMs = 1000 / framesPerSecond / phases;

const opening = z.object({
  anchorsPem: z.string(),
  papers: z.array(papers),
  port: z.number(),
  /** Whether a server of ours is there. */
  isHoming: z.boolean(),
});

const sockets: TLSSocket[] = [];
const frame = encodeFrame('media', Buffer.alloc(frameBytes, 'x'));
let sent = 0;
let isStreaming = false;

answerRequests({
  /** @returns the cipher suite */
  open: async (input) => {
    const { anchorsPem, papers: all, port, isHoming } = opening.parse(input);
    const trust = trustOf(anchorsPem);
    for (const texts of all) {
      const identity = identityOf(texts);
      sockets.push(await (isHoming ? openHoming : openBare)(identity, trust, port));
    }
    stream();
    return sockets[0]?.getCipher().standardName;
  },
  stream: (input) => {
    isStreaming = z.boolean().parse(input);
  },
  /** Bytes that the sockets took since the start. */
  sent: () => sent,
});

/** Frames are due by the clock; a late timer sends those that are due together, each in a write of its own. */
function stream(): void {
  let tick = 0;
  let startMs = performance.now();
  setInterval(() => {
    if (!isStreaming) {
      tick = 0;
      startMs = performance.now();
      return;
    }
    for (; startMs + tick * phaseMs <= performance.now(); tick += 1) {
      for (let index = tick % phases; index < sockets.length; index += phases) {
        const socket = sockets[index];
        if (socket === undefined || socket.writableNeedDrain) continue;
        socket.write(frame);
        sent += frame.length;
      }
    }
  }, phaseMs);
}

async function openBare(identity: Identity, trust: TrustSet, port: number): Promise<TLSSocket> {
  const socket = connect({ ...tlsClientOptions(identity, trust), host: '127.0.0.1', port });
  socket.setNoDelay(true);
  await once(socket, 'secureConnect');
  socket.resume();
  return socket;
}

async function openHoming(identity: Identity, trust: TrustSet, port: number): Promise<TLSSocket> {
  const { socket, leaf } = await dialTls({
    endpoint: { ip: '127.0.0.1', port },
    identity,
    trust,
    alpn: 'hosp/1',
    signal: new AbortController().signal,
    timeoutMs: 20_000,
  });
  if (!isClientId(identity.leaf.id) || !isServerId(leaf.id)) throw new Error('wrong certificates');
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
  const begin = encodeDocument({ kind: 'begin', offset: 0, time: Date.now(), why: 'start' });
  socket.write(encodeFrame('control', begin));
  setInterval(() => {
    if (!isStreaming) socket.write(encodeFrame('control', encodeDocument({ kind: 'ping' })));
  }, 1000);
  socket.resume();
  return socket;
}
