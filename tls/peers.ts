/** TLS 1.3 with certificates on both sides, and how we know who the other side is: judged by our own verifier. */
import { constants } from 'node:crypto';
import {
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
  createSecureContext,
} from 'node:tls';
import { type LeafCache, verifyLeaf } from '../protocol/certificates.ts';
import { encodePem } from '../protocol/pem.ts';
import { type Bad, bad, quote } from '../protocol/result.ts';
import type { CertificateDropReason, LeafVerdict, TrustSet } from '../protocol/trust.ts';
import type { Identity } from './identity.ts';

/** What a connection is for. */
export type Alpn = 'hosp/1' | 'hosp-peer/1' | 'http/1.1' | 'homing-stream/1' | 'homing-enrol/1';

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

/** Every certificate passes the handshake: who calls judges what came. */
export const judgedByUs = { rejectUnauthorized: false, checkServerIdentity: () => undefined } as const;

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

/** Our own verdict alone. */
export function verifyPeerLeaf(
  socket: TLSSocket,
  trust: TrustSet,
  nowMs: number,
  leafs?: LeafCache,
): LeafVerdict {
  const certificate = peerCertificateOf(socket);
  const verdict = verifyLeaf(certificate === undefined ? [] : [certificate.raw], trust, nowMs, leafs);
  if (verdict.ok || verdict.reason !== 'unknown-ca') return verdict;
  return findIntermediate(certificate, trust) ?? verdict;
}

interface PeerCertificate {
  readonly certificate: ReturnType<TLSSocket['getPeerX509Certificate']>;
}

/** Who called has it from Node once only: a second `getPeerX509Certificate` gives what stood behind it in the chain, if anything. */
const peerCertificates = new WeakMap<TLSSocket, PeerCertificate>();

function peerCertificateOf(socket: TLSSocket): PeerCertificate['certificate'] {
  const kept = peerCertificates.get(socket) ?? { certificate: socket.getPeerX509Certificate() };
  if (kept.certificate !== undefined) peerCertificates.set(socket, kept);
  return kept.certificate;
}

/** OpenSSL's opinion, where it found more than the date. */
export function findObjection(socket: TLSSocket): Bad<CertificateDropReason> | undefined {
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
  leaf: PeerCertificate['certificate'],
  trust: TrustSet,
): Bad<CertificateDropReason> | undefined {
  const issuer = leaf?.issuerCertificate;
  // An anchor that was removed is a root, no intermediate.
  if (leaf === undefined || issuer === undefined || issuer.checkIssued(issuer)) return undefined;
  const verdict = verifyLeaf([leaf.raw, issuer.raw], trust, 0);
  return !verdict.ok && verdict.reason === 'intermediate' ? verdict : undefined;
}
