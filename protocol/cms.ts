/**
 * Signed messages: CMS SignedData (RFC 5652) with one signer, its certificate and the signed content inside. DER only.
 *
 *     ContentInfo          SEQUENCE { signedData, [0] SignedData }
 *     SignedData           SEQUENCE { version, digestAlgorithms SET, content, [0] certificates, signerInfos SET }
 *     content              SEQUENCE { data, [0] OCTET STRING }
 *     SignerInfo           SEQUENCE { version, signer, digestAlgorithm, [0] signedAttributes, signatureAlgorithm, signature }
 *     signer               SEQUENCE { issuer, serial }, or [0] subject key identifier
 */
import { type KeyObject, hash, verify } from 'node:crypto';
import { peekCertificate } from './certificate-parsing.ts';
import { type SignerInfo, isNamed, isSha256, readSignerInfo, readVersion } from './cms-signer.ts';
import {
  DerReader,
  type DerValue,
  contentOf,
  contextTag,
  derTags,
  hexOf,
  isOid,
  parseDer,
  wholeOf,
} from './der.ts';
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
export interface SignedMessage extends SignerInfo {
  readonly content: Uint8Array;
  /** In the order of the message. */
  readonly certificates: readonly DerValue[];
}

/** A leaf, and a CA certificate or two: more certificates are an attack or a mistake. */
const maxCertificates = 4;
const maxDigestAlgorithms = 4;
const context0 = contextTag(0);

/** Reads the shape; costs about 2 µs and no cryptography. */
export function readSignedMessage(message: Uint8Array): Result<SignedMessage, CmsProblem> {
  const outer = parseDer(message);
  if (outer === undefined)
    return bad('not-der', 'reading a signed message: not one DER value, or bytes after it');
  const info = new DerReader(outer);
  const type = info.take(derTags.oid);
  const wrapper = new DerReader(info.take(context0));
  const body = wrapper.take(derTags.sequence);
  if (outer.tag !== derTags.sequence) return misshapen('no ContentInfo');
  if (!info.isDone || !wrapper.isDone || !isOid(type, oids.signedData)) return misshapen('no SignedData');
  return readSignedData(body);
}

function readSignedData(body: DerValue): Result<SignedMessage, CmsProblem> {
  const reader = new DerReader(body);
  const version = readVersion(reader);
  const digestSet = new DerReader(reader.take(derTags.set));
  const digests = digestSet.takeAll(derTags.sequence, maxDigestAlgorithms);
  const content = readContent(reader.take(derTags.sequence));
  const certificateSet = new DerReader(reader.take(context0));
  const certificates = certificateSet.takeAll(derTags.sequence, maxCertificates);
  const signers = reader.take(derTags.set);
  const isDone = reader.isDone && digestSet.isDone && certificateSet.isDone;
  if (!isDone || content === undefined) return misshapen('no SignedData of data, certificates and signers');
  const signer = readOnlySigner(signers);
  if (!signer.ok) return signer;
  if (version !== signer.value.version) return misshapen('a version that is not its signer’s');
  return digests.some(isSha256)
    ? good({ content, certificates, ...signer.value })
    : bad('algorithm', 'reading a signed message: its digest is not SHA-256');
}

function readOnlySigner(signers: DerValue): Result<SignerInfo, CmsProblem> {
  const reader = new DerReader(signers);
  const [signer] = reader.takeAll(derTags.sequence, 1);
  return signer === undefined
    ? bad('signers', 'reading a signed message: not exactly one signer')
    : readSignerInfo(signer);
}

/** Undefined where it is detached or not plain data. */
function readContent(value: DerValue): Uint8Array | undefined {
  const reader = new DerReader(value);
  const type = reader.take(derTags.oid);
  const wrapper = new DerReader(reader.take(context0));
  const content = wrapper.take(derTags.octetString);
  return reader.isDone && wrapper.isDone && isOid(type, oids.data) ? contentOf(content) : undefined;
}

/** The certificate that the signer names, among those in the message. A SET has no order: a CA may come first. */
export function findSignerCertificate({ certificates, signer }: SignedMessage): DerValue | undefined {
  return certificates.find((certificate) => isNamed(signer, certificate));
}

/** SubjectPublicKeyInfo of the certificate that the signer names, unverified. */
export function peekSignerSpki(message: SignedMessage): Uint8Array | undefined {
  const [first, second] = message.certificates;
  // The usual message has one certificate: it is read no further than needed.
  const certificate = second === undefined ? first : findSignerCertificate(message);
  const spki = certificate === undefined ? undefined : peekCertificate(certificate)?.spki;
  return spki === undefined ? undefined : wholeOf(spki);
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
  if (hash('sha256', message.content, 'hex') !== hexOf(message.messageDigest)) {
    return bad('digest', 'verifying a signed message: the content is not what was signed');
  }
  return verify('sha256', message.signedAttributes, key, message.signature)
    ? good(undefined)
    : bad('signature', 'verifying a signed message: the key of its certificate did not sign it');
}

function misshapen(why: string) {
  return bad<CmsProblem>('cms-shape', `reading a signed message: ${why}`);
}
