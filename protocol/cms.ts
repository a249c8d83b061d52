/**
 * Signed messages: CMS SignedData (RFC 5652) with one signer, its certificate and the signed content inside. DER only.
 *
 *     ContentInfo          SEQUENCE { signedData, [0] SignedData }
 *     SignedData           SEQUENCE { version, digestAlgorithms SET, content, [0] certificates, signerInfos SET }
 *     content              SEQUENCE { data, [0] OCTET STRING }
 *     SignerInfo           SEQUENCE { version, signer, digestAlgorithm, [0] signedAttributes, signatureAlgorithm, signature }
 *     signer               SEQUENCE { issuer, serial }, or [0] subject key identifier
 */
import { type KeyObject, createHash, hash, sign, verify } from 'node:crypto';
import { encodeSignatureAlgorithm } from './certificate-encoding.ts';
import { findExtension } from './certificate-extensions.ts';
import { equalBytes, parseCertificate, peekSpki, readAlgorithm } from './certificate-parsing.ts';
import {
  DerReader,
  type DerValue,
  contentOf,
  contextTag,
  derTags,
  oidOf,
  parseDer,
  parseDerTime,
  wholeOf,
} from './der.ts';
import { encodeDer, encodeDerInteger, encodeDerSet, encodeDerTime, encodeOid } from './der-encoding.ts';
import { oids } from './oids.ts';
import { type Result, bad, good } from './result.ts';

/** Why bytes are no signed message of the one kind that is taken. */
export type CmsProblem =
  | 'not-der'
  | 'cms-shape'
  | 'signers'
  | 'algorithm'
  | 'attributes'
  | 'signer-id'
  | 'digest'
  | 'signature';

/** A message of the right shape whose signature nobody has looked at. All bytes are views of the message. */
export interface SignedMessage {
  readonly content: Uint8Array;
  /** DER of every certificate in it, in the order of the message. */
  readonly certificates: readonly DerValue[];
  readonly signer: DerValue;
  /** As they are signed: with the tag of a SET. */
  readonly signedAttributes: Uint8Array;
  readonly messageDigest: Uint8Array;
  /** What the signer's clock said, Unix milliseconds; not judged. */
  readonly signedAtMs: number;
  readonly signatureAlgorithm: string;
  readonly signature: Uint8Array;
}

/** A leaf, and a CA certificate or two: more certificates are an attack or a mistake. */
const maxCertificates = 4;
const maxAttributes = 16;
const maxDigestAlgorithms = 4;
const context0 = contextTag(0);

/** Reads the shape; costs about 2 µs and no cryptography. */
export function readSignedMessage(message: Uint8Array): Result<SignedMessage, CmsProblem> {
  const outer = parseDer(message);
  if (outer === undefined)
    return bad('not-der', 'reading a signed message: not one DER value, or bytes after it');
  const info = new DerReader(outer);
  const type = oidOf(info.take(derTags.oid));
  const wrapper = new DerReader(info.take(context0));
  const body = wrapper.take(derTags.sequence);
  if (!info.isDone || !wrapper.isDone || type !== oids.signedData) return misshapen('no SignedData');
  return readSignedData(body);
}

function readSignedData(body: DerValue): Result<SignedMessage, CmsProblem> {
  const reader = new DerReader(body);
  reader.take(derTags.integer);
  const digests = new DerReader(reader.take(derTags.set));
  const algorithms = digests.takeAll(derTags.sequence, maxDigestAlgorithms);
  const content = readContent(reader.take(derTags.sequence));
  const certificateSet = new DerReader(reader.take(context0));
  const certificates = certificateSet.takeAll(derTags.sequence, maxCertificates);
  const signerSet = new DerReader(reader.take(derTags.set));
  const [signer, ...others] = signerSet.takeAll(derTags.sequence, 2);
  const isDone = reader.isDone && digests.isDone && certificateSet.isDone;
  if (!isDone || content === undefined) return misshapen('no SignedData of data, certificates and signers');
  if (!signerSet.isDone || signer === undefined || others.length > 0) {
    return bad('signers', 'reading a signed message: not exactly one signer');
  }
  if (!algorithms.some((algorithm) => readAlgorithm(algorithm) === oids.sha256)) {
    return bad('algorithm', 'reading a signed message: its digest is not SHA-256');
  }
  const info = readSignerInfo(signer);
  return info.ok ? good({ content, certificates, ...info.value }) : info;
}

/** Undefined where it is detached or not plain data. */
function readContent(value: DerValue): Uint8Array | undefined {
  const reader = new DerReader(value);
  const type = oidOf(reader.take(derTags.oid));
  const wrapper = new DerReader(reader.take(context0));
  const content = wrapper.take(derTags.octetString);
  return reader.isDone && wrapper.isDone && type === oids.data ? contentOf(content) : undefined;
}

type SignerInfo = Omit<SignedMessage, 'content' | 'certificates'>;

function readSignerInfo(value: DerValue): Result<SignerInfo, CmsProblem> {
  const reader = new DerReader(value);
  reader.take(derTags.integer);
  const signer = reader.takeIf(contextTag(0, false)) ?? reader.take(derTags.sequence);
  const digestAlgorithm = readAlgorithm(reader.take(derTags.sequence));
  const attributes = reader.takeIf(context0);
  const signatureAlgorithm = readAlgorithm(reader.take(derTags.sequence));
  const signature = contentOf(reader.take(derTags.octetString));
  if (!reader.isDone) return misshapen('no SignerInfo, or one with unsigned attributes');
  if (attributes === undefined) return bad('attributes', 'reading a signed message: no signed attributes');
  if (digestAlgorithm !== oids.sha256 || signatureAlgorithm === undefined) {
    return bad('algorithm', 'reading a signed message: its digest is not SHA-256');
  }
  const told = readAttributes(attributes);
  if (told === undefined) {
    return bad(
      'attributes',
      'reading signed attributes: not contentType, messageDigest and signingTime once each',
    );
  }
  return good({ signer, ...told, signatureAlgorithm, signature });
}

type Attributes = Pick<SignerInfo, 'signedAttributes' | 'messageDigest' | 'signedAtMs'>;

function readAttributes(value: DerValue): Attributes | undefined {
  const list = new DerReader(value);
  const found = new Map<string, DerValue>();
  for (const attribute of list.takeAll(derTags.sequence, maxAttributes)) {
    const reader = new DerReader(attribute);
    const type = oidOf(reader.take(derTags.oid));
    const values = reader.take(derTags.set);
    if (!reader.isDone || found.has(type)) return undefined;
    found.set(type, values);
  }
  const contentType = takeSingle(found.get(oids.contentType), derTags.oid);
  const messageDigest = takeSingle(found.get(oids.messageDigest), derTags.octetString);
  const signedAtMs = parseDerTime(takeSingle(found.get(oids.signingTime)) ?? value);
  const isWhole = list.isDone && contentType !== undefined && oidOf(contentType) === oids.data;
  if (!isWhole || messageDigest === undefined || signedAtMs === undefined) return undefined;
  return { signedAttributes: retag(value), messageDigest: contentOf(messageDigest), signedAtMs };
}

/** The only value of an attribute. */
function takeSingle(values: DerValue | undefined, tag?: number): DerValue | undefined {
  if (values === undefined) return undefined;
  const reader = new DerReader(values);
  const value = tag === undefined ? reader.takeAny() : reader.take(tag);
  return reader.isDone ? value : undefined;
}

/** Signed attributes stand in the message as [0] but are signed as a SET. @see RFC 5652 5.4 */
function retag(value: DerValue): Uint8Array {
  const bytes = Uint8Array.from(wholeOf(value));
  bytes[0] = derTags.set;
  return bytes;
}

/** The certificate that the signer names, among those in the message. A SET has no order: a CA may come first. */
export function findSignerCertificate({ certificates, signer }: SignedMessage): DerValue | undefined {
  return certificates.find((value) => isNamed(signer, wholeOf(value)));
}

function isNamed(signer: DerValue, certificateDer: Uint8Array): boolean {
  const certificate = parseCertificate(certificateDer);
  if (certificate === undefined) return false;
  if (signer.tag === derTags.sequence) {
    const reader = new DerReader(signer);
    const issuer = wholeOf(reader.take(derTags.sequence));
    const serial = contentOf(reader.take(derTags.integer));
    return reader.isDone && equalBytes(issuer, certificate.issuer) && equalBytes(serial, certificate.serial);
  }
  const identifier = parseDer(findExtension(certificate, oids.subjectKeyIdentifier) ?? new Uint8Array());
  return identifier?.tag === derTags.octetString && equalBytes(contentOf(identifier), contentOf(signer));
}

/** SubjectPublicKeyInfo of the certificate that the signer names, unverified. */
export function peekSignerSpki(message: SignedMessage): Uint8Array | undefined {
  const [first, second] = message.certificates;
  // The usual message has one certificate: it is read no further than needed.
  const certificate = second === undefined ? first : findSignerCertificate(message);
  return certificate === undefined ? undefined : peekSpki(certificate);
}

/** The two checks of a signature: the content has the digest that the attributes say, and the key signed the attributes. */
export function verifySignedMessage(message: SignedMessage, key: KeyObject): Result<undefined, CmsProblem> {
  const isRsa = key.asymmetricKeyType === 'rsa';
  const algorithms: readonly string[] = isRsa
    ? [oids.rsaEncryption, oids.sha256WithRsa]
    : [oids.ecdsaWithSha256];
  if (!algorithms.includes(message.signatureAlgorithm)) {
    return bad(
      'algorithm',
      'verifying a signed message: the signature is not of the key’s kind with SHA-256',
    );
  }
  if (!equalBytes(hash('sha256', message.content, 'buffer'), message.messageDigest)) {
    return bad('digest', 'verifying a signed message: the content is not what was signed');
  }
  return verify('sha256', message.signedAttributes, key, message.signature)
    ? good(undefined)
    : bad('signature', 'verifying a signed message: the key of its certificate did not sign it');
}

export interface Signer {
  readonly certificateDer: Uint8Array;
  readonly privateKey: KeyObject;
}

/** Signs content as `openssl cms -sign -binary -nodetach -nosmimecap -outform DER` does. */
export function signMessage(content: Uint8Array, signer: Signer, nowMs: number): Uint8Array {
  const sha256 = encodeDer(derTags.sequence, encodeOid(oids.sha256));
  const inner = [
    encodeDerInteger(Buffer.from([1])),
    encodeDer(derTags.set, sha256),
    encodeDer(
      derTags.sequence,
      encodeOid(oids.data),
      encodeDer(context0, encodeDer(derTags.octetString, content)),
    ),
    encodeDer(context0, signer.certificateDer),
    encodeDer(derTags.set, encodeSignerInfo(content, signer, nowMs)),
  ];
  return encodeDer(
    derTags.sequence,
    encodeOid(oids.signedData),
    encodeDer(context0, encodeDer(derTags.sequence, ...inner)),
  );
}

function encodeSignerInfo(
  content: Uint8Array,
  { certificateDer, privateKey }: Signer,
  nowMs: number,
): Buffer {
  const certificate = parseCertificate(certificateDer);
  if (certificate === undefined) throw new RangeError('signing a message: the certificate is none');
  const digest = createHash('sha256').update(content).digest();
  const attributes = [
    encodeAttribute(oids.contentType, encodeOid(oids.data)),
    encodeAttribute(oids.signingTime, encodeDerTime(nowMs)),
    encodeAttribute(oids.messageDigest, encodeDer(derTags.octetString, digest)),
  ];
  const signed = encodeDerSet(derTags.set, attributes);
  return encodeDer(
    derTags.sequence,
    encodeDerInteger(Buffer.from([1])),
    encodeDer(derTags.sequence, certificate.issuer, encodeDerInteger(certificate.serial)),
    encodeDer(derTags.sequence, encodeOid(oids.sha256)),
    encodeDerSet(context0, attributes),
    encodeSignatureAlgorithm(privateKey),
    encodeDer(derTags.octetString, sign('sha256', signed, privateKey)),
  );
}

function encodeAttribute(oid: string, value: Uint8Array): Buffer {
  return encodeDer(derTags.sequence, encodeOid(oid), encodeDer(derTags.set, value));
}

function misshapen(why: string) {
  return bad<CmsProblem>('cms-shape', `reading a signed message: ${why}`);
}
