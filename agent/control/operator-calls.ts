/** Calls the operator: to enrol, and for the stream. Its certificate must carry `homing:operator`; names and addresses prove nothing. */
import { connect, createSecureContext, type TLSSocket } from 'node:tls';
import { enrolmentReply, messageVersions, type EnrolmentReply } from '../../crds/operator-messages.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import { LineReader } from '../../protocol/lines.ts';
import { verifyLeaf } from '../../protocol/certificates.ts';
import { encodePem } from '../../protocol/pem.ts';
import { bad } from '../../protocol/result.ts';
import { type LeafVerdict, type TrustSet, emptyTrust } from '../../protocol/trust.ts';
import { DialError, dialTls } from '../../tls/dialing.ts';
import type { Identity } from '../../tls/identity.ts';
import { findObjection, judgedByUs } from '../../tls/peers.ts';
import { anchorOfPin } from './operator-pin.ts';

const handshakeMs = 8000;
/** The operator asks the API server meanwhile. */
const answerMs = 30_000;
const maxReplyBytes = 4 * 1024 * 1024;

export interface EnrolmentCall {
  readonly endpoint: Endpoint;
  /** Anchors that the operator's certificate may be signed by, and who is denied. */
  readonly trust: TrustSet | undefined;
  /** SHA-256 of the SPKI of another such anchor, which the operator shows itself. */
  readonly pin: string | undefined;
  readonly csrPem: string;
  readonly token?: string;
  readonly version: string;
  readonly signal: AbortSignal;
}

/**
 * Asks for a certificate for the key of `csrPem`. The token is not sent before the operator is known to be the operator.
 *
 * @throws DialError where nobody is there or it is somebody else
 */
export async function callToEnrol(call: EnrolmentCall): Promise<EnrolmentReply> {
  const { endpoint, trust, csrPem, token, version, signal } = call;
  const ca = (trust?.anchors ?? []).map(({ der }) => encodePem('CERTIFICATE', der));
  const socket = connect({
    ...judgedByUs,
    secureContext: createSecureContext({ minVersion: 'TLSv1.3', ca }),
    host: endpoint.ip,
    port: endpoint.port,
    ALPNProtocols: ['homing-enrol/1'],
  });
  const stop = (): void => void socket.destroy();
  signal.addEventListener('abort', stop);
  try {
    await connected(socket, endpoint);
    judgeOperator(socket, call);
    const request = { kind: 'enrol', versions: messageVersions, version, csrPem };
    socket.write(`${JSON.stringify(token === undefined ? request : { ...request, token })}\n`);
    return enrolmentReply.parse(await readLine(socket));
  } finally {
    signal.removeEventListener('abort', stop);
    socket.destroy();
  }
}

function judgeOperator(socket: TLSSocket, call: EnrolmentCall): void {
  const verdict = verifyOperator(socket, call);
  if (!verdict.ok) throw new DialError(verdict);
  const { role, id } = verdict.value;
  if (role === 'operator' && socket.alpnProtocol === 'homing-enrol/1') return;
  const detail = `calling the operator at ${call.endpoint.ip}: ${id} answered, which is a ${role}`;
  throw new DialError({ ok: false, reason: 'role-wrong', detail });
}

function verifyOperator(socket: TLSSocket, { trust = emptyTrust, pin }: EnrolmentCall): LeafVerdict {
  // Once: on a client's socket each call takes the next certificate out of the chain.
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return bad('no-certificate', 'the operator brought no certificate');
  const nowMs = Date.now();
  const verdict = verifyLeaf([certificate.raw], trust, nowMs);
  if (verdict.ok) return findObjection(socket) ?? verdict;
  const anchor = pin === undefined ? undefined : anchorOfPin(certificate.issuerCertificate?.raw, pin);
  // OpenSSL was not given this anchor, so that it has no second opinion.
  return anchor === undefined
    ? verdict
    : verifyLeaf([certificate.raw], { ...trust, anchors: [anchor] }, nowMs);
}

/**
 * Opens the stream.
 *
 * @throws DialError
 */
export async function callForStream(call: {
  readonly endpoint: Endpoint;
  readonly trust: TrustSet;
  readonly identity: Identity;
  readonly signal: AbortSignal;
}): Promise<TLSSocket> {
  const { socket } = await dialTls({
    ...call,
    alpn: 'homing-stream/1',
    expectRole: 'operator',
    timeoutMs: handshakeMs,
  });
  return socket;
}

async function connected(socket: TLSSocket, { ip, port }: Endpoint): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (reason: 'unreachable' | 'timeout', why: string): void =>
    reject(
      new DialError({ ok: false, reason, detail: `calling the operator at ${ip} port ${port}: ${why}` }),
    );
  const timer = setTimeout(() => fail('timeout', `no handshake in ${handshakeMs} ms`), handshakeMs);
  socket.once('secureConnect', resolve).on('error', (error) => fail('unreachable', error.message));
  socket.once('close', () => fail('unreachable', 'it was closed'));
  try {
    await promise;
  } finally {
    clearTimeout(timer);
  }
}

async function readLine(socket: TLSSocket): Promise<unknown> {
  const reader = new LineReader(maxReplyBytes);
  const timer = setTimeout(() => socket.destroy(new Error('the operator does not answer')), answerMs);
  try {
    for await (const chunk of socket) {
      reader.push(chunk);
      const line = reader.next();
      if (line?.ok === false) throw new Error(line.detail);
      if (line?.ok === true) return JSON.parse(Buffer.from(line.value, 'latin1').toString('utf8'));
    }
  } finally {
    clearTimeout(timer);
  }
  throw new Error('the operator hung up without an answer');
}
