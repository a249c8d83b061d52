/** X.509 certificates as values: what stands in them, not yet whether it is good. @see RFC 5280 4.1 */
import { hash } from 'node:crypto';
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

export interface CertificateExtension {
  /** As `oidOf` gives it. */
  readonly oid: string;
  readonly isCritical: boolean;
  /** The DER inside the OCTET STRING. */
  readonly content: Uint8Array;
}

/** A version 3 certificate. All byte arrays are views of the one that was parsed. */
export interface Certificate {
  readonly der: Uint8Array;
  /** What the issuer signed. */
  readonly signedBytes: Uint8Array;
  readonly signature: SignatureValue;
  readonly serial: Uint8Array;
  /** Issuer and subject as DER: names are compared byte for byte. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  readonly extensions: readonly CertificateExtension[];
}

export interface SignatureValue {
  /** As `oidOf` gives it. */
  readonly algorithm: string;
  readonly bytes: Uint8Array;
}

/** Above what any certificate of ours or of common CAs has; a leaf of ours has 6. */
const maxExtensions = 24;

/** Undefined where the bytes are no DER certificate of version 3, an extension comes twice, or anything is left over. */
export function parseCertificate(der: Uint8Array): Certificate | undefined {
  const value = parseDer(der);
  return value === undefined ? undefined : readCertificate(value);
}

/** The same for a certificate that stands inside a message. */
export function readCertificate(value: DerValue): Certificate | undefined {
  if (value.tag !== derTags.sequence) return undefined;
  const reader = new DerReader(value);
  const body = reader.take(derTags.sequence);
  const algorithm = reader.take(derTags.sequence);
  const bits = contentOf(reader.take(derTags.bitString));
  if (!reader.isDone || bits[0] !== 0) return undefined;
  const inside = readBody(body);
  if (inside === undefined || !equalBytes(inside.algorithm, wholeOf(algorithm))) return undefined;
  const algorithmOid = readAlgorithm(algorithm);
  if (algorithmOid === undefined) return undefined;
  return {
    der: wholeOf(value),
    signedBytes: wholeOf(body),
    signature: { algorithm: algorithmOid, bytes: bits.subarray(1) },
    ...inside.fields,
  };
}

/** What a message is sorted by before anything costs time: unverified, and read no further than that. */
export interface PeekedCertificate {
  readonly serial: DerValue;
  readonly issuer: DerValue;
  /** SubjectPublicKeyInfo. */
  readonly spki: DerValue;
}

/** Undefined where the bytes do not begin as a certificate does. */
export function peekCertificate(certificate: DerValue): PeekedCertificate | undefined {
  const body = new DerReader(new DerReader(certificate).take(derTags.sequence));
  body.takeIf(contextTag(0));
  const serial = body.take(derTags.integer);
  body.take(derTags.sequence);
  const issuer = body.take(derTags.sequence);
  body.take(derTags.sequence);
  body.take(derTags.sequence);
  const spki = body.take(derTags.sequence);
  return spki.tag === derTags.sequence ? { serial, issuer, spki } : undefined;
}

/** The algorithm's object identifier; parameters must be absent or NULL. */
export function readAlgorithm(value: DerValue): string | undefined {
  const reader = new DerReader(value);
  const oid = reader.take(derTags.oid);
  const parameters = reader.takeIf(derTags.null);
  const isEmpty = parameters === undefined || parameters.contentStart === parameters.end;
  return reader.isDone && isEmpty ? oidOf(oid) : undefined;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Whether two values are the same bytes, tag and length included. */
export function equalValues(a: DerValue, b: DerValue): boolean {
  const length = a.end - a.start;
  if (b.end - b.start !== length) return false;
  for (let at = 0; at < length; at += 1) if (a.bytes[a.start + at] !== b.bytes[b.start + at]) return false;
  return true;
}

type Fields = Omit<Certificate, 'der' | 'signedBytes' | 'signature'>;

function readBody(body: DerValue): { readonly algorithm: Uint8Array; readonly fields: Fields } | undefined {
  const reader = new DerReader(body);
  const version = new DerReader(reader.take(contextTag(0)));
  const isVersion3 = contentOf(version.take(derTags.integer))[0] === 2 && version.isDone;
  const serial = contentOf(reader.take(derTags.integer));
  const algorithm = wholeOf(reader.take(derTags.sequence));
  const issuer = wholeOf(reader.take(derTags.sequence));
  const validity = readValidity(reader.take(derTags.sequence));
  const subject = wholeOf(reader.take(derTags.sequence));
  const spki = wholeOf(reader.take(derTags.sequence));
  const extensions = readExtensions(reader.take(contextTag(3)));
  if (!reader.isDone || !isVersion3 || validity === undefined || extensions === undefined) return undefined;
  return { algorithm, fields: { serial, issuer, subject, ...validity, spki, extensions } };
}

function readValidity(value: DerValue): Pick<Fields, 'notBeforeMs' | 'notAfterMs'> | undefined {
  const reader = new DerReader(value);
  const notBeforeMs = parseDerTime(reader.takeAny());
  const notAfterMs = parseDerTime(reader.takeAny());
  if (!reader.isDone || notBeforeMs === undefined || notAfterMs === undefined) return undefined;
  return { notBeforeMs, notAfterMs };
}

function readExtensions(value: DerValue): readonly CertificateExtension[] | undefined {
  const outer = new DerReader(value);
  const list = new DerReader(outer.take(derTags.sequence));
  const extensions = list.takeAll(derTags.sequence, maxExtensions).map(readExtension);
  if (!outer.isDone || !list.isDone) return undefined;
  const good = extensions.filter((extension) => extension !== undefined);
  const isWhole =
    good.length === extensions.length && new Set(good.map(({ oid }) => oid)).size === good.length;
  return isWhole ? good : undefined;
}

function readExtension(value: DerValue): CertificateExtension | undefined {
  const reader = new DerReader(value);
  const oid = oidOf(reader.take(derTags.oid));
  const critical = reader.takeIf(derTags.boolean);
  const content = contentOf(reader.take(derTags.octetString));
  // DER: TRUE is 0xff, and FALSE, the default, is left out.
  const isCritical = critical !== undefined;
  if (!reader.isDone || (isCritical && !equalBytes(contentOf(critical), Buffer.from([0xff]))))
    return undefined;
  return { oid, isCritical, content };
}

/** Lower-case hexadecimal SHA-256. */
export function hashBytes(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}
