/** SignerInfo of a signed message: who signed, and the attributes that were signed. @see RFC 5652 5.3, 11 */
import { findExtension } from './certificate-extensions.ts';
import { equalBytes, parseCertificate, readAlgorithm } from './certificate-parsing.ts';
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
  const digestAlgorithm = readAlgorithm(reader.take(derTags.sequence));
  const attributes = reader.takeIf(contextTag(0));
  const signatureAlgorithm = readAlgorithm(reader.take(derTags.sequence));
  const signature = contentOf(reader.take(derTags.octetString));
  if (!reader.isDone || version !== versionOf(signer))
    return bad('cms-shape', 'reading a signer: no SignerInfo, or one with unsigned attributes');
  if (attributes === undefined) return bad('attributes', 'reading a signer: no signed attributes');
  if (digestAlgorithm !== oids.sha256 || signatureAlgorithm === undefined) {
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

/** Whether the signer is the one of this certificate. */
export function isNamed(signer: DerValue, certificateDer: Uint8Array): boolean {
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

/** The INTEGER that comes next; -1 where it is no small one. */
export function readVersion(reader: DerReader): number {
  const content = contentOf(reader.take(derTags.integer));
  return content.length === 1 ? (content[0] ?? -1) : -1;
}

/** 1 where the signer is named by issuer and serial number, 3 where by key identifier. @see RFC 5652 5.1, 5.3 */
function versionOf(signer: DerValue): number {
  return signer.tag === derTags.sequence ? 1 : 3;
}
