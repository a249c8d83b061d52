/** SignerInfo of a signed message: who signed, and the attributes that were signed. @see RFC 5652 5.3, 11 */
import { findExtension } from './certificate-extensions.ts';
import {
  equalBytes,
  equalValues,
  peekCertificate,
  readAlgorithm,
  readCertificate,
} from './certificate-parsing.ts';
import {
  DerReader,
  type DerValue,
  contentOf,
  contextTag,
  derTags,
  isOid,
  parseDer,
  parseDerTime,
  wholeOf,
} from './der.ts';
import { oids } from './oids.ts';
import { type Result, bad, good } from './result.ts';

/** What one signer says. All bytes are views of the message, but for the attributes. */
export interface SignerInfo {
  /** 1 or 3. */
  readonly version: number;
  readonly signer: DerValue;
  /** As they are signed: with the tag of a SET. */
  readonly signedAttributes: Uint8Array;
  readonly messageDigest: Uint8Array;
  /** What the signer's clock said, Unix milliseconds; not judged. */
  readonly signedAtMs: number;
  readonly signatureAlgorithm: string;
  readonly signature: Uint8Array;
}

export type SignerProblem = 'cms-shape' | 'algorithm' | 'attributes';

const maxAttributes = 16;

/** Reads one SignerInfo. Unsigned attributes are refused: whoever forwards a message could add them. */
export function readSignerInfo(value: DerValue): Result<SignerInfo, SignerProblem> {
  const reader = new DerReader(value);
  const version = readVersion(reader);
  const signer = reader.takeIf(contextTag(0, false)) ?? reader.take(derTags.sequence);
  const digestAlgorithm = reader.take(derTags.sequence);
  const attributes = reader.takeIf(contextTag(0));
  const signatureAlgorithm = readAlgorithm(reader.take(derTags.sequence));
  const signature = contentOf(reader.take(derTags.octetString));
  if (!reader.isDone || version !== versionOf(signer))
    return bad('cms-shape', 'reading a signer: no SignerInfo, or one with unsigned attributes');
  if (attributes === undefined) return bad('attributes', 'reading a signer: no signed attributes');
  if (!isSha256(digestAlgorithm) || signatureAlgorithm === undefined) {
    return bad('algorithm', 'reading a signer: its digest is not SHA-256');
  }
  const told = readAttributes(attributes);
  if (told === undefined) {
    return bad(
      'attributes',
      'reading signed attributes: not contentType, messageDigest and signingTime once each',
    );
  }
  return good({ version, signer, ...told, signatureAlgorithm, signature });
}

type Attributes = Pick<SignerInfo, 'signedAttributes' | 'messageDigest' | 'signedAtMs'>;

function readAttributes(value: DerValue): Attributes | undefined {
  const list = new DerReader(value);
  const attributes = list.takeAll(derTags.sequence, maxAttributes);
  const contentType = findOnly(attributes, oids.contentType);
  const messageDigest = findOnly(attributes, oids.messageDigest);
  const signedAtMs = parseDerTime(findOnly(attributes, oids.signingTime) ?? value);
  const isWhole = list.isDone && contentType !== undefined && isOid(contentType, oids.data);
  if (!isWhole || messageDigest?.tag !== derTags.octetString || signedAtMs === undefined) return undefined;
  return { signedAttributes: retag(value), messageDigest: contentOf(messageDigest), signedAtMs };
}

/** The only value of the only attribute of this type. */
function findOnly(attributes: readonly DerValue[], type: string): DerValue | undefined {
  const values: DerValue[] = [];
  for (const attribute of attributes) {
    const reader = new DerReader(attribute);
    if (!isOid(reader.take(derTags.oid), type)) continue;
    const set = new DerReader(reader.take(derTags.set));
    values.push(set.takeAny());
    if (!set.isDone || !reader.isDone || values.length > 1) return undefined;
  }
  return values[0];
}

/** Signed attributes stand in the message as [0] but are signed as a SET. @see RFC 5652 5.4 */
function retag(value: DerValue): Uint8Array {
  const bytes = Buffer.from(wholeOf(value));
  bytes[0] = derTags.set;
  return bytes;
}

/** Whether the signer is the one of this certificate. */
export function isNamed(signer: DerValue, certificate: DerValue): boolean {
  if (signer.tag !== derTags.sequence) return hasKeyIdentifier(signer, certificate);
  const reader = new DerReader(signer);
  const issuer = reader.take(derTags.sequence);
  const serial = reader.take(derTags.integer);
  const peeked = peekCertificate(certificate);
  if (!reader.isDone || peeked === undefined) return false;
  return equalValues(issuer, peeked.issuer) && equalValues(serial, peeked.serial);
}

function hasKeyIdentifier(signer: DerValue, value: DerValue): boolean {
  const certificate = readCertificate(value);
  const extension = certificate && findExtension(certificate, oids.subjectKeyIdentifier);
  const identifier = parseDer(extension ?? new Uint8Array());
  return identifier?.tag === derTags.octetString && equalBytes(contentOf(identifier), contentOf(signer));
}

/** Whether an AlgorithmIdentifier is SHA-256, with parameters absent or NULL. @see RFC 5754 2 */
export function isSha256(algorithm: DerValue): boolean {
  return readAlgorithm(algorithm) === oids.sha256;
}

/** The INTEGER that comes next; -1 where it is no small one. */
export function readVersion(reader: DerReader): number {
  const { bytes, contentStart, end } = reader.take(derTags.integer);
  return end - contentStart === 1 ? (bytes[contentStart] ?? -1) : -1;
}

/** 1 where the signer is named by issuer and serial number, 3 where by key identifier. @see RFC 5652 5.1, 5.3 */
function versionOf(signer: DerValue): number {
  return signer.tag === derTags.sequence ? 1 : 3;
}
