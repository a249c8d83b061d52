/** Signs messages that `cms.ts` reads. */
import { type KeyObject, createHash, sign } from 'node:crypto';
import type { asn1 as Asn1 } from 'node-forge';
import asn1 from 'node-forge/lib/asn1.js';
import { type Certificate, parseCertificate } from './certificate-parsing.ts';
import { oids } from './oids.ts';

type Value = Asn1.Asn1;

export interface Signer {
  readonly certificateDer: Uint8Array;
  readonly privateKey: KeyObject;
}

/** Signs content as `openssl cms -sign -binary -nodetach -nosmimecap -outform DER` does. */
export function signMessage(content: Uint8Array, signer: Signer, nowMs: number): Uint8Array {
  const certificate = parseCertificate(signer.certificateDer);
  if (certificate === undefined) throw new RangeError('signing a message: the certificate is none');
  const signedData = sequence(
    integer('\x01'),
    set(sequence(oid(oids.sha256))),
    sequence(oid(oids.data), context0(octetString(content))),
    context0(fromDer(certificate.der)),
    set(signerInfo(content, certificate, { nowMs, privateKey: signer.privateKey })),
  );
  return toDer(sequence(oid(oids.signedData), context0(signedData)));
}

interface Signing {
  readonly nowMs: number;
  readonly privateKey: KeyObject;
}

function signerInfo(
  content: Uint8Array,
  { issuer, serial }: Certificate,
  { nowMs, privateKey }: Signing,
): Value {
  // In DER's order: each is longer than the one before it.
  const attributes = [
    attribute(oids.contentType, oid(oids.data)),
    attribute(oids.signingTime, time(new Date(nowMs))),
    attribute(oids.messageDigest, octetString(createHash('sha256').update(content).digest())),
  ];
  const signature = sign('sha256', toDer(set(...attributes)), privateKey);
  return sequence(
    integer('\x01'),
    sequence(fromDer(issuer), integer(binary(serial))),
    sequence(oid(oids.sha256)),
    context0(...attributes),
    signatureAlgorithm(privateKey),
    octetString(signature),
  );
}

/** RFC 5758 3.2: EC has no parameters. */
function signatureAlgorithm({ asymmetricKeyType }: KeyObject): Value {
  return asymmetricKeyType === 'rsa'
    ? sequence(oid(oids.sha256WithRsa), primitive(asn1.Type.NULL, ''))
    : sequence(oid(oids.ecdsaWithSha256));
}

function attribute(type: string, value: Value): Value {
  return sequence(oid(type), set(value));
}

/** UTCTime until 2049, GeneralizedTime from 2050. @see RFC 5652 11.3 */
function time(date: Date): Value {
  return date.getUTCFullYear() < 2050
    ? primitive(asn1.Type.UTCTIME, asn1.dateToUtcTime(date))
    : primitive(asn1.Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date));
}

function sequence(...values: Value[]): Value {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, values);
}

function set(...values: Value[]): Value {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SET, true, values);
}

function context0(...values: Value[]): Value {
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, asn1.Type.NONE, true, values);
}

/** @param hex as `oids` has it */
function oid(hex: string): Value {
  return primitive(asn1.Type.OID, binary(Buffer.from(hex, 'hex')));
}

function integer(bytes: string): Value {
  return primitive(asn1.Type.INTEGER, bytes);
}

function octetString(bytes: Uint8Array): Value {
  return primitive(asn1.Type.OCTETSTRING, binary(bytes));
}

function primitive(type: Asn1.Type, bytes: string): Value {
  return asn1.create(asn1.Class.UNIVERSAL, type, false, bytes);
}

function fromDer(bytes: Uint8Array): Value {
  return asn1.fromDer(binary(bytes));
}

function toDer(value: Value): Buffer {
  return Buffer.from(asn1.toDer(value).getBytes(), 'latin1');
}

/** node-forge keeps bytes in strings. */
function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
