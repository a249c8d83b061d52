/** Makes a CA and the certificates that bind a key to an identifier and a name: the profile that `verifyLeaf` asks for. */
import { type KeyObject, createHash, createPrivateKey, createPublicKey, generateKeyPair } from 'node:crypto';
import type { Extension, Name, X509Certificate } from '@peculiar/x509';
import ipaddr from 'ipaddr.js';
import { parseCertificate } from './certificate-parsing.ts';
import { spkiOf } from './certificate-signature.ts';
import { type ClientId, type ServerId, isServerId, operatorId } from './identifiers.ts';
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

type X509 = typeof import('@peculiar/x509');

/** 150 ms and 22 MB, so nobody who only reads certificates loads it. It works by decorators, which need the first. */
async function loadX509(): Promise<X509> {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

/** A CA of Homing's own: self-signed, CA flag, keyCertSign. Its name ends in 8 digits of its key, so that no two are alike. */
export async function createAuthority(options: Validity & KeyChoice): Promise<KeyedCertificate> {
  const x509 = await loadX509();
  const key = await chooseKey(options);
  const spki = spkiOf(key);
  const name = nameOf(x509, `Homing CA ${digest(spki).toString('hex').slice(0, 8)}`);
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
  const subjectKey = await x509.SubjectKeyIdentifierExtension.create(spki);
  const extensions = [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
    subjectKey,
    new x509.AuthorityKeyIdentifierExtension(subjectKey.keyId),
  ];
  const times = validityOf(options, defaultAuthorityDays);
  return {
    certificatePem: await write(x509, { subject: name, issuer: name, ...times, key, extensions }, key),
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** A home server's certificate: both purposes, as a server calls other servers. */
export async function issueServer(
  authority: KeyedCertificate,
  request: LeafRequest<ServerId>,
): Promise<KeyedCertificate> {
  return issue(authority, request, ['serverAuth', 'clientAuth']);
}

/** A camera client's certificate: clientAuth only, so that every TLS library refuses a camera that plays a server. */
export async function issueClient(
  authority: KeyedCertificate,
  request: LeafRequest<ClientId>,
): Promise<KeyedCertificate> {
  return issue(authority, request, ['clientAuth']);
}

/** The operator's own certificate: `homing:operator`, and serverAuth only. */
export async function issueOperator(
  authority: KeyedCertificate,
  request: Omit<LeafRequest<typeof operatorId>, 'id'>,
): Promise<KeyedCertificate> {
  return issue(authority, { ...request, id: operatorId }, ['serverAuth']);
}

/** What is certified where the key is somebody else's. */
export interface KeyRequest extends Validity {
  /** SubjectPublicKeyInfo, as a certificate request brought it. */
  readonly spki: Uint8Array;
  readonly id: ServerId | ClientId;
  readonly name: string;
}

/** A certificate for a key whose private part stays where it was made; its purposes follow from the identifier. */
export async function issueForKey(authority: KeyedCertificate, request: KeyRequest): Promise<string> {
  const key = createPublicKey({ key: Buffer.from(request.spki), format: 'der', type: 'spki' });
  const purposes = isServerId(request.id)
    ? (['serverAuth', 'clientAuth'] as const)
    : (['clientAuth'] as const);
  return certify(authority, { ...request, key, purposes });
}

type Purpose = 'serverAuth' | 'clientAuth';

async function issue(
  authority: KeyedCertificate,
  request: LeafRequest<string>,
  purposes: readonly Purpose[],
): Promise<KeyedCertificate> {
  const key = await chooseKey(request);
  return {
    certificatePem: await certify(authority, { ...request, key, purposes }),
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

interface Certified extends Validity {
  readonly id: string;
  readonly name: string;
  readonly ips?: readonly string[];
  readonly key: KeyObject;
  readonly purposes: readonly Purpose[];
}

async function certify(authority: KeyedCertificate, request: Certified): Promise<string> {
  const x509 = await loadX509();
  const issuer = readAuthority(x509, authority);
  const { key, purposes } = request;
  const wanted = validityOf(request, defaultLeafDays);
  const names = [
    { type: 'url', value: request.id } as const,
    ...(request.ips ?? []).map((ip) => ({ type: 'ip', value: canonical(ip) }) as const),
  ];
  const extensions = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(purposes.map((purpose) => x509.ExtendedKeyUsage[purpose])),
    new x509.SubjectAlternativeNameExtension(names),
    await x509.SubjectKeyIdentifierExtension.create(spkiOf(key)),
    await authorityKeyOf(x509, issuer.certificate),
  ];
  const fields = {
    subject: nameOf(x509, request.name),
    issuer: issuer.certificate.subjectName,
    notBeforeMs: wanted.notBeforeMs,
    notAfterMs: Math.min(wanted.notAfterMs, issuer.certificate.notAfter.getTime()),
    key,
    extensions,
  };
  return write(x509, fields, issuer.key);
}

interface Fields {
  readonly subject: Name;
  readonly issuer: Name;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** The subject's. */
  readonly key: KeyObject;
  readonly extensions: readonly Extension[];
}

async function write(x509: X509, fields: Fields, issuerKey: KeyObject): Promise<string> {
  const { subject, issuer, notBeforeMs, notAfterMs, key, extensions } = fields;
  const spki = spkiOf(key);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialOf(spki, fields),
    subject,
    issuer,
    notBefore: new Date(notBeforeMs),
    notAfter: new Date(notAfterMs),
    publicKey: spki,
    signingKey: toSigningKey(issuerKey),
    extensions: [...extensions],
  });
  return encodePem('CERTIFICATE', new Uint8Array(certificate.rawData));
}

function nameOf(x509: X509, commonName: string): Name {
  return new x509.Name([{ CN: [{ utf8String: commonName }] }]);
}

/** Without a zone, and in groups only: @peculiar/x509 reads `::ffff:192.0.2.1` as another address. */
function canonical(ip: string): string {
  return ipaddr.fromByteArray(ipaddr.parse(ip).toByteArray()).toNormalizedString();
}

/** What the CA calls its own key; chains are built by it. */
async function authorityKeyOf(x509: X509, authority: X509Certificate): Promise<Extension> {
  const own = authority.getExtension(x509.SubjectKeyIdentifierExtension);
  return own === null
    ? x509.AuthorityKeyIdentifierExtension.create(authority.publicKey)
    : new x509.AuthorityKeyIdentifierExtension(own.keyId);
}

/** @throws Error where the PEM is not one certificate and the key that belongs to it */
function readAuthority(x509: X509, { certificatePem, keyPem }: KeyedCertificate) {
  const blocks = parsePem(certificatePem);
  const [block] = blocks.ok ? blocks.value : [];
  const certificate = block === undefined ? undefined : parseCertificate(block.der);
  if (certificate === undefined) throw new Error('issuing: the CA certificate cannot be read');
  const key = createPrivateKey(keyPem);
  if (!spkiOf(key).equals(certificate.spki)) throw new Error('issuing: the key is not the CA certificate’s');
  return { certificate: new x509.X509Certificate(certificate.der), key };
}

/** Elliptic curves sign with ECDSA, RSA with PKCS #1 v1.5, both with SHA-256. */
function toSigningKey(key: KeyObject) {
  if (key.asymmetricKeyType === 'rsa') {
    return key.toCryptoKey({ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, ['sign']);
  }
  const namedCurve = key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'P-384' : 'P-256';
  return key.toCryptoKey({ name: 'ECDSA', namedCurve }, false, ['sign']);
}

/** Whole seconds: a GeneralizedTime with a fraction is no DER of a certificate. @see RFC 5280 4.1.2.5.2 */
function validityOf({ nowMs, days }: Validity, defaultDays: number) {
  const second = Math.floor(nowMs / 1000) * 1000;
  return { notBeforeMs: second - notBeforeLeewayMs, notAfterMs: second + (days ?? defaultDays) * dayMs };
}

/** 16 bytes in hexadecimal that differ for each key and each issuing, without a source of randomness. */
function serialOf(spki: Uint8Array, { notBeforeMs, notAfterMs }: Pick<Fields, 'notBeforeMs' | 'notAfterMs'>) {
  const what = Buffer.concat([spki, Buffer.from(`${notBeforeMs} ${notAfterMs}`)]);
  return digest(what).toString('hex', 0, 16);
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
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
