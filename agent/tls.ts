/** Who we are, and how we know who the other side is: TLS 1.3 with certificates on both sides, judged by our own verifier. */
import { type KeyObject, type X509Certificate, constants, createPrivateKey } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import {
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
  connect,
  createSecureContext,
} from 'node:tls';
import type { Endpoint } from '../protocol/endpoints.ts';
import { spkiOf } from '../protocol/certificate-signature.ts';
import { hashBytes } from '../protocol/certificate-parsing.ts';
import { type LeafCache, readOwnLeaf, verifyLeaf } from '../protocol/certificates.ts';
import type { ServerId } from '../protocol/identifiers.ts';
import { encodePem, parsePem } from '../protocol/pem.ts';
import { type Bad, bad, quote } from '../protocol/result.ts';
import type { CertificateDropReason, Leaf, LeafVerdict, TrustSet } from '../protocol/trust.ts';
import { ConfigError } from './control/config-error.ts';

/** Our certificate and key, and what the certificate says. */
export interface Identity {
  readonly leaf: Leaf;
  readonly certificatePem: string;
  readonly certificateDer: Uint8Array;
  readonly keyPem: string;
  readonly privateKey: KeyObject;
}

/** What a connection is for. */
export type Alpn = 'hosp/1' | 'hosp-peer/1' | 'http/1.1';

/**
 * Reads a certificate and its key.
 *
 * @throws ConfigError with the file and what would be right
 */
export async function loadIdentity(certPath: string, keyPath: string): Promise<Identity> {
  // One after the other, so that of two missing files always the same one is named.
  const certificatePem = await readText(certPath);
  const keyPem = await readText(keyPath);
  const { mode } = await stat(keyPath);
  if ((mode & 0o007) !== 0) {
    throw new ConfigError({ file: keyPath, message: `others can read this key: chmod 600 ${keyPath}` });
  }
  return parseIdentity({ certificatePem, keyPem, certPath, keyPath });
}

interface IdentityTexts {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** For messages. */
  readonly certPath?: string;
  readonly keyPath?: string;
}

/**
 * The same, from texts.
 *
 * @throws ConfigError where they are not one certificate of a server, client or operator and the key that belongs to it
 */
export function parseIdentity(texts: IdentityTexts): Identity {
  const { certPath: file = 'certificate', keyPath = 'key' } = texts;
  const certificateDer = readSingleCertificate(texts.certificatePem, file);
  const leaf = readOwnLeaf(certificateDer);
  if (!leaf.ok) throw new ConfigError({ file, message: `${leaf.detail} (${leaf.reason})` });
  const privateKey = parseKey(texts.keyPem, keyPath);
  if (hashBytes(spkiOf(privateKey)) !== leaf.value.spkiSha256) {
    throw new ConfigError({ file: keyPath, message: `is not the key of the certificate in ${file}` });
  }
  const certificatePem = encodePem('CERTIFICATE', certificateDer);
  return { leaf: leaf.value, certificatePem, certificateDer, keyPem: texts.keyPem, privateKey };
}

function readSingleCertificate(pem: string, file: string): Uint8Array {
  const blocks = parsePem(pem);
  if (!blocks.ok) throw new ConfigError({ file, message: blocks.detail });
  const [block, ...others] = blocks.value;
  if (block?.label === 'CERTIFICATE' && others.length === 0) return block.der;
  throw new ConfigError({ file, message: 'must hold exactly one certificate in PEM, and nothing else' });
}

/** No resumption: in Node a resumed session has no certificate to judge. 1.3 only: below it, certificates travel in clear. */
const protocolOptions = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const satisfies SecureContextOptions;

/**
 * For `tls.createServer` and, whenever identity or anchors change, `setSecureContext`. Every certificate passes the
 * handshake: `verifyPeer` judges, before a byte is read.
 */
export function tlsServerOptions(identity: Identity, trust: TrustSet): TlsOptions {
  return { ...contextOptions(identity, trust), requestCert: true, rejectUnauthorized: false };
}

/** For `tls.connect`; the same holds. */
export function tlsClientOptions(identity: Identity, trust: TrustSet) {
  return { ...contextOptions(identity, trust), ...judgedByUs } as const;
}

const judgedByUs = { rejectUnauthorized: false, checkServerIdentity: () => undefined } as const;

/** What each call of one identity under one trust set begins with; it takes half as long to make as a handshake. */
export function createCallContext(identity: Identity, trust: TrustSet): SecureContext {
  return createSecureContext(contextOptions(identity, trust));
}

function contextOptions({ certificatePem, keyPem }: Identity, { anchors }: TrustSet): SecureContextOptions {
  const ca = anchors.map(({ der }) => encodePem('CERTIFICATE', der));
  return { ...protocolOptions, cert: certificatePem, key: keyPem, ca };
}

/**
 * Judges the certificate of a connected socket: call it before reading, again when the trust set changes, and hourly.
 *
 * Ours is the verdict. OpenSSL's, from the handshake, is a second opinion that may find nothing but the date: it names one
 * error only, and a wrong date hides an unknown CA.
 *
 * @param leafs remembers whom this trust set has verified
 */
export function verifyPeer(
  socket: TLSSocket,
  trust: TrustSet,
  nowMs: number,
  leafs?: LeafCache,
): LeafVerdict {
  const verdict = verifyPeerLeaf(socket, trust, nowMs, leafs);
  return verdict.ok ? (findObjection(socket) ?? verdict) : verdict;
}

function verifyPeerLeaf(socket: TLSSocket, trust: TrustSet, nowMs: number, leafs?: LeafCache): LeafVerdict {
  const certificate = socket.getPeerX509Certificate();
  const verdict = verifyLeaf(certificate === undefined ? [] : [certificate.raw], trust, nowMs, leafs);
  if (verdict.ok || verdict.reason !== 'unknown-ca') return verdict;
  return findIntermediate(certificate, trust) ?? verdict;
}

function findObjection(socket: TLSSocket): Bad<CertificateDropReason> | undefined {
  const opinion = describeOpinion(socket);
  return opinion === undefined || dateOpinions.has(opinion)
    ? undefined
    : bad('second-opinion', `OpenSSL refuses the certificate: ${quote(opinion)}`);
}

const dateOpinions: ReadonlySet<string> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

/** Typed as Error, but Node sets the code. */
function describeOpinion(socket: TLSSocket): string | undefined {
  const opinion: unknown = socket.authorizationError;
  if (opinion === null || opinion === undefined) return undefined;
  return typeof opinion === 'string' ? opinion : 'an error without a name';
}

/**
 * A leaf below an intermediate is refused by name where Node tells what was sent beside it: a client's socket does, a
 * server's does not. Not `getPeerCertificate(true)`, which is empty once `getPeerX509Certificate` was called.
 */
function findIntermediate(
  leaf: X509Certificate | undefined,
  trust: TrustSet,
): Bad<CertificateDropReason> | undefined {
  const issuer = leaf?.issuerCertificate;
  // An anchor that was removed is a root, no intermediate.
  if (leaf === undefined || issuer === undefined || issuer.checkIssued(issuer)) return undefined;
  const verdict = verifyLeaf([leaf.raw, issuer.raw], trust, 0);
  return !verdict.ok && verdict.reason === 'intermediate' ? verdict : undefined;
}

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
  const signals = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const socket = connect({
    ...judgedByUs,
    secureContext,
    host: endpoint.ip,
    port: endpoint.port,
    ALPNProtocols: [alpn],
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  socket.setNoDelay(true);
  // One listener stays, as an error that nobody hears ends the process; `close` tells the owner.
  socket.on('error', () => {});
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const fail = (reason: 'timeout' | 'unreachable', cause: unknown) => {
    const why = cause instanceof Error ? cause.message : 'it was closed';
    reject(new DialError(bad(reason, `calling ${endpoint.ip} port ${endpoint.port}: ${why}`), { cause }));
    socket.destroy();
  };
  const onAbort = () => fail(signal.aborted ? 'unreachable' : 'timeout', signals.reason);
  const onError = (error: Error) => fail('unreachable', error);
  const onClose = () => fail('unreachable', undefined);
  socket
    .once('secureConnect', () => resolve(socket))
    .on('error', onError)
    .once('close', onClose);
  signals.addEventListener('abort', onAbort, { once: true });
  if (signals.aborted) onAbort();
  try {
    return await promise;
  } finally {
    signals.removeEventListener('abort', onAbort);
    socket.off('close', onClose).off('error', onError);
  }
}

/** Ours first, so that a camera that plays a server is named as such. */
function judgeServer(socket: TLSSocket, options: DialOptions) {
  const { trust, alpn, expectId, leafs } = options;
  const verdict = verifyPeerLeaf(socket, trust, Date.now(), leafs);
  if (!verdict.ok) return verdict;
  const { role, id } = verdict.value;
  if (role !== 'server') return bad('role-wrong', `calling a server: ${id} is a ${role}`);
  if (expectId !== undefined && id !== expectId) {
    return bad('not-expected', `calling ${expectId}: ${id} answered`);
  }
  if (socket.alpnProtocol !== alpn) return bad('role-wrong', `calling ${id}: it does not speak ${alpn}`);
  return findObjection(socket) ?? verdict;
}

function parseKey(keyPem: string, file: string): KeyObject {
  try {
    return createPrivateKey(keyPem);
  } catch (error) {
    throw new ConfigError(
      { file, message: 'must hold a private key in PEM, not encrypted' },
      { cause: error },
    );
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConfigError({ file, message: `cannot be read: ${why}` }, { cause: error });
  }
}
