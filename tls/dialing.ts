/** Calls a server, and judges its certificate before a byte is read. */
import { type SecureContext, type TLSSocket, connect } from 'node:tls';
import type { LeafCache } from '../protocol/certificates.ts';
import type { Endpoint } from '../protocol/endpoints.ts';
import type { ServerId } from '../protocol/identifiers.ts';
import { type Bad, bad } from '../protocol/result.ts';
import type { CertificateDropReason, Leaf, TrustSet } from '../protocol/trust.ts';
import type { Identity } from './identity.ts';
import { type Alpn, createCallContext, findObjection, judgedByUs, verifyPeerLeaf } from './peers.ts';

/** Why a call came to nothing: nobody there, or somebody who is not to be trusted. */
export const dialReasons = ['role-wrong', 'not-expected', 'unreachable', 'timeout'] as const;

export type DialReason = CertificateDropReason | (typeof dialReasons)[number];

export class DialError extends Error {
  override readonly name = 'DialError';
  readonly reason: DialReason;
  constructor({ reason, detail }: Bad<DialReason>, options?: ErrorOptions) {
    super(detail, options);
    this.reason = reason;
  }

  /** Somebody answered, whom we do not trust to be who was wanted. */
  get isUntrusted(): boolean {
    return this.reason !== 'unreachable' && this.reason !== 'timeout';
  }
}

export interface DialOptions {
  readonly endpoint: Endpoint;
  readonly identity: Identity;
  readonly trust: TrustSet;
  readonly alpn: Alpn;
  /** Of that identity and trust set, for who calls more than once. */
  readonly context?: SecureContext;
  /** Remembers whom this trust set has verified. */
  readonly leafs?: LeafCache;
  /** Whose certificate it must be; any server's where it is not said. */
  readonly expectId?: ServerId;
  /** What its certificate must be for. @defaultValue `server` */
  readonly expectRole?: 'server' | 'operator';
  readonly signal: AbortSignal;
  /** For TCP and handshake together. */
  readonly timeoutMs: number;
  /** Address to call from: `127.0.0.2` is another machine to a test. */
  readonly localAddress?: string;
}

/** A server's connection of which nothing has been read. */
export interface DialedServer {
  readonly socket: TLSSocket;
  readonly leaf: Leaf;
}

/**
 * Calls a server and judges its certificate; nothing is open where it rejects. That the server takes *us* is only known
 * from its first line: a TLS client is connected before the server has seen its certificate.
 *
 * @throws DialError
 */
export async function dialTls(options: DialOptions): Promise<DialedServer> {
  const socket = await handshake(options);
  const verdict = judgeServer(socket, options);
  if (verdict.ok) return { socket, leaf: verdict.value };
  socket.destroy();
  throw new DialError(verdict);
}

async function handshake(options: DialOptions): Promise<TLSSocket> {
  const { endpoint, identity, trust, alpn, signal, timeoutMs, localAddress } = options;
  const secureContext = options.context ?? createCallContext(identity, trust);
  const socket = connect({
    ...judgedByUs,
    secureContext,
    host: endpoint.ip,
    port: endpoint.port,
    ALPNProtocols: [alpn],
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  socket.setNoDelay(true);
  // Node makes an object of a certificate that OpenSSL likes, for `checkServerIdentity`; that takes as long as the handshake.
  Object.defineProperty(socket, 'getPeerCertificate', { value: () => ({}) });
  // One listener stays, as an error that nobody hears ends the process; `close` tells the owner.
  socket.on('error', () => {});
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const fail = (reason: 'timeout' | 'unreachable', cause: unknown) => {
    const why = cause instanceof Error ? cause.message : 'it was closed';
    reject(new DialError(bad(reason, `calling ${endpoint.ip} port ${endpoint.port}: ${why}`), { cause }));
    socket.destroy();
  };
  const onAbort = () => fail('unreachable', signal.reason);
  const onTimeout = () => fail('timeout', new Error(`no handshake in ${timeoutMs} ms`));
  const onError = (error: Error) => fail('unreachable', error);
  const onClose = () => fail('unreachable', undefined);
  socket
    .once('secureConnect', () => resolve(socket))
    .on('error', onError)
    .once('close', onClose);
  const timer = setTimeout(onTimeout, timeoutMs);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    socket.off('close', onClose).off('error', onError);
  }
}

/** Ours first, so that a camera that plays a server is named as such. */
function judgeServer(socket: TLSSocket, options: DialOptions) {
  const { trust, alpn, expectId, expectRole = 'server', leafs } = options;
  const verdict = verifyPeerLeaf(socket, trust, Date.now(), leafs);
  if (!verdict.ok) return verdict;
  const { role, id } = verdict.value;
  if (role !== expectRole) return bad('role-wrong', `calling a ${expectRole}: ${id} is a ${role}`);
  if (expectId !== undefined && id !== expectId) {
    return bad('not-expected', `calling ${expectId}: ${id} answered`);
  }
  if (socket.alpnProtocol !== alpn) return bad('role-wrong', `calling ${id}: it does not speak ${alpn}`);
  return findObjection(socket) ?? verdict;
}
