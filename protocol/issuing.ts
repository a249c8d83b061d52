/** Makes a CA and the certificates that bind a key to an identifier and a name: the profile that `verifyLeaf` asks for. */
import { type KeyObject, createHash, createPrivateKey, generateKeyPair } from 'node:crypto';
import {
  encodeBasicConstraints,
  encodeCertificate,
  encodeExtendedKeyUsage,
  encodeKeyIdentifiers,
  encodeKeyUsage,
  encodeName,
  encodeSubjectAltName,
  spkiOf,
} from './certificate-encoding.ts';
import { parseCertificate } from './certificate-parsing.ts';
import type { ClientId, ServerId } from './identifiers.ts';
import { oids } from './oids.ts';
import { encodePem, parsePem } from './pem.ts';

/** A certificate and its key, as they stand in files. */
export interface KeyedCertificate {
  readonly certificatePem: string;
  /** PKCS #8. */
  readonly keyPem: string;
}

/** `P-256` is the default; `RSA` (2048 bits) makes announcements that only fit on links. */
export type KeyKind = 'P-256' | 'P-384' | 'RSA';

export interface Validity {
  /** The clock, Unix milliseconds. */
  readonly nowMs: number;
  readonly days?: number;
}

interface KeyChoice {
  /** An existing key (PKCS #8 or SEC 1 PEM) to keep; else a new one is made. */
  readonly keyPem?: string;
  readonly keyKind?: KeyKind;
}

export interface LeafRequest<Id extends string> extends Validity, KeyChoice {
  readonly id: Id;
  /** A server's name, a client's `namespace/name`. */
  readonly name: string;
  /** IP addresses to put beside the identifier; nothing of ours reads them, other TLS clients do. */
  readonly ips?: readonly string[];
}

export const defaultLeafDays = 825;
export const defaultAuthorityDays = 3650;
const dayMs = 86_400_000;
/** Clocks in a house are not equal: what is issued now is good an hour ago. */
const notBeforeLeewayMs = 3_600_000;
const keyUsageBits = { digitalSignature: 0, keyCertSign: 5, cRLSign: 6 } as const;

/** A CA of Homing's own: self-signed, CA flag, keyCertSign. Its name ends in 8 digits of its key, so that no two are alike. */
export async function createAuthority(options: Validity & KeyChoice): Promise<KeyedCertificate> {
  const key = await chooseKey(options);
  const spki = spkiOf(key);
  const name = encodeName(`Homing CA ${digest(spki).toString('hex').slice(0, 8)}`);
  const extensions = [
    encodeBasicConstraints(true),
    encodeKeyUsage(keyUsageBits.keyCertSign, keyUsageBits.cRLSign),
    ...encodeKeyIdentifiers(spki, spki),
  ];
  const times = validityOf(options, defaultAuthorityDays);
  const fields = { serial: serialOf(spki, times), issuer: name, subject: name, ...times, spki, extensions };
  return toPem(encodeCertificate(fields, key), key);
}

/** A home server's certificate: both purposes, as a server calls other servers. */
export async function issueServer(
  authority: KeyedCertificate,
  request: LeafRequest<ServerId>,
): Promise<KeyedCertificate> {
  return issue(authority, request, [oids.serverAuth, oids.clientAuth]);
}

/** A camera client's certificate: clientAuth only, so that every TLS library refuses a camera that plays a server. */
export async function issueClient(
  authority: KeyedCertificate,
  request: LeafRequest<ClientId>,
): Promise<KeyedCertificate> {
  return issue(authority, request, [oids.clientAuth]);
}

async function issue(
  authority: KeyedCertificate,
  request: LeafRequest<string>,
  purposes: readonly string[],
): Promise<KeyedCertificate> {
  const issuer = readAuthority(authority);
  const key = await chooseKey(request);
  const spki = spkiOf(key);
  const wanted = validityOf(request, defaultLeafDays);
  const times = { ...wanted, notAfterMs: Math.min(wanted.notAfterMs, issuer.certificate.notAfterMs) };
  const extensions = [
    encodeBasicConstraints(false),
    encodeKeyUsage(keyUsageBits.digitalSignature),
    encodeExtendedKeyUsage(...purposes),
    encodeSubjectAltName([request.id], request.ips),
    ...encodeKeyIdentifiers(spki, issuer.certificate.spki),
  ];
  const fields = {
    serial: serialOf(spki, times),
    issuer: issuer.certificate.subject,
    subject: encodeName(request.name),
    ...times,
    spki,
    extensions,
  };
  return toPem(encodeCertificate(fields, issuer.key), key);
}

/** @throws Error where the PEM is not one certificate and the key that belongs to it */
function readAuthority({ certificatePem, keyPem }: KeyedCertificate) {
  const blocks = parsePem(certificatePem);
  const [block] = blocks.ok ? blocks.value : [];
  const certificate = block === undefined ? undefined : parseCertificate(block.der);
  if (certificate === undefined) throw new Error('issuing: the CA certificate cannot be read');
  const key = createPrivateKey(keyPem);
  if (!spkiOf(key).equals(certificate.spki)) throw new Error('issuing: the key is not the CA certificate’s');
  return { certificate, key };
}

function validityOf({ nowMs, days }: Validity, defaultDays: number) {
  return { notBeforeMs: nowMs - notBeforeLeewayMs, notAfterMs: nowMs + (days ?? defaultDays) * dayMs };
}

/** 16 bytes that differ for each key and each issuing, without a source of randomness. */
function serialOf(spki: Uint8Array, times: { readonly notBeforeMs: number; readonly notAfterMs: number }) {
  return digest(Buffer.concat([spki, Buffer.from(`${times.notBeforeMs} ${times.notAfterMs}`)])).subarray(
    0,
    16,
  );
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function toPem(certificate: Uint8Array, key: KeyObject): KeyedCertificate {
  return {
    certificatePem: encodePem('CERTIFICATE', certificate),
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

async function chooseKey({ keyPem, keyKind = 'P-256' }: KeyChoice): Promise<KeyObject> {
  if (keyPem !== undefined) return createPrivateKey(keyPem);
  const { promise, resolve, reject } = Promise.withResolvers<KeyObject>();
  const settle = (error: Error | null, _publicKey: KeyObject, privateKey: KeyObject) => {
    if (error === null) resolve(privateKey);
    else reject(error);
  };
  if (keyKind === 'RSA') generateKeyPair('rsa', { modulusLength: 2048 }, settle);
  else generateKeyPair('ec', { namedCurve: keyKind }, settle);
  return promise;
}
