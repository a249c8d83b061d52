/** Calls the operator: to enrol, and for the stream. Its certificate must carry `homing:operator`; names and addresses prove nothing. */
import { lookup } from 'node:dns/promises';
import { connect, type TLSSocket } from 'node:tls';
import { enrolmentReply, messageVersions, type EnrolmentReply } from '../../crds/operator-messages.ts';
import { LineReader } from '../../protocol/lines.ts';
import type { TrustSet } from '../../protocol/trust.ts';
import { dialTls } from '../../tls/dialing.ts';
import type { Identity } from '../../tls/identity.ts';
import { judgedByUs, verifyPeer } from '../../tls/peers.ts';

const timeoutMs = 10_000;

export interface OperatorPlace {
  readonly host: string;
  readonly port: number;
  readonly trust: TrustSet;
}

/** Asks for a certificate for the key of `csrPem`. Rejects where the operator is not there or not the operator. */
export async function callToEnrol(
  { host, port, trust }: OperatorPlace,
  request: { readonly csrPem: string; readonly token?: string; readonly version: string },
): Promise<EnrolmentReply> {
  const socket = connect({
    ...judgedByUs,
    host,
    port,
    ALPNProtocols: ['homing-enrol/1'],
    minVersion: 'TLSv1.3',
  });
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error('the operator does not answer')));
  try {
    await connected(socket);
    const verdict = verifyPeer(socket, trust, Date.now());
    if (!verdict.ok && verdict.reason !== 'second-opinion') throw new Error(verdict.detail);
    if (verdict.ok && verdict.value.role !== 'operator')
      throw new Error(`${verdict.value.id} is not the operator`);
    socket.write(`${JSON.stringify({ kind: 'enrol', versions: messageVersions, ...request })}\n`);
    return enrolmentReply.parse(await readLine(socket));
  } finally {
    socket.destroy();
  }
}

/** Opens the stream. */
export async function callForStream(
  { host, port, trust }: OperatorPlace,
  identity: Identity,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { address } = await lookup(host);
  const { socket } = await dialTls({
    endpoint: { ip: address, port },
    identity,
    trust,
    alpn: 'homing-stream/1',
    expectRole: 'operator',
    signal,
    timeoutMs,
  });
  return socket;
}

async function connected(socket: TLSSocket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('secureConnect', resolve).on('error', reject);
  socket.once('close', () => reject(new Error('the operator hung up')));
  await promise;
}

async function readLine(socket: TLSSocket): Promise<unknown> {
  const reader = new LineReader(4 * 1024 * 1024);
  for await (const chunk of socket) {
    reader.push(chunk);
    const line = reader.next();
    if (line?.ok === false) throw new Error(line.detail);
    if (line?.ok === true) return JSON.parse(Buffer.from(line.value, 'latin1').toString('utf8'));
  }
  throw new Error('the operator hung up without an answer');
}
