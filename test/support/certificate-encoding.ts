/** Writes X.509 certificates of any kind, good and bad. @see RFC 5280 4.1 */
import { type KeyObject, createHash, sign } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import { contextTag, derTags } from '../../protocol/der.ts';
import { encodeDer, encodeDerInteger, encodeDerTime, encodeOid } from './der-encoding.ts';
import { oids } from '../../protocol/oids.ts';

export interface CertificateFields {
  readonly serial: Uint8Array;
  /** A name's DER: `encodeName`, or the subject of the issuer's certificate. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  readonly extensions: readonly Uint8Array[];
}

/** The signed certificate. @param key an EC key signs with ECDSA, an RSA key with PKCS #1 v1.5, both with SHA-256 */
export function encodeCertificate(fields: CertificateFields, key: KeyObject): Buffer {
  const algorithm = encodeSignatureAlgorithm(key);
  const body = encodeDer(
    derTags.sequence,
    encodeDer(contextTag(0), encodeDerInteger(Buffer.from([2]))),
    encodeDerInteger(fields.serial),
    algorithm,
    fields.issuer,
    encodeDer(derTags.sequence, encodeDerTime(fields.notBeforeMs), encodeDerTime(fields.notAfterMs)),
    fields.subject,
    fields.spki,
    encodeDer(contextTag(3), encodeDer(derTags.sequence, ...fields.extensions)),
  );
  return encodeDer(derTags.sequence, body, algorithm, encodeBitString(sign('sha256', body, key)));
}

/** AlgorithmIdentifier of a signature with SHA-256 by this key. @see RFC 5758 3.2: EC has no parameters */
export function encodeSignatureAlgorithm(key: KeyObject): Buffer {
  return key.asymmetricKeyType === 'rsa'
    ? encodeDer(derTags.sequence, encodeOid(oids.sha256WithRsa), encodeDer(derTags.null))
    : encodeDer(derTags.sequence, encodeOid(oids.ecdsaWithSha256));
}

/** A name of one common name. */
export function encodeName(commonName: string): Buffer {
  const text = encodeDer(derTags.utf8String, Buffer.from(commonName, 'utf8'));
  const attribute = encodeDer(derTags.sequence, encodeOid(oids.commonName), text);
  return encodeDer(derTags.sequence, encodeDer(derTags.set, attribute));
}

/** @param oid as `oidHex` gives it @param content DER */
export function encodeExtension(oid: string, isCritical: boolean, content: Uint8Array): Buffer {
  const critical = isCritical ? [encodeDer(derTags.boolean, Buffer.from([0xff]))] : [];
  return encodeDer(derTags.sequence, encodeOid(oid), ...critical, encodeDer(derTags.octetString, content));
}

export function encodeBasicConstraints(isAuthority: boolean): Buffer {
  const flag = isAuthority ? [encodeDer(derTags.boolean, Buffer.from([0xff]))] : [];
  return encodeExtension(oids.basicConstraints, true, encodeDer(derTags.sequence, ...flag));
}

/** Bits as RFC 5280 4.2.1.3 numbers them: 0 digitalSignature, 5 keyCertSign, 6 cRLSign. */
export function encodeKeyUsage(...bits: readonly number[]): Buffer {
  const byte = bits.reduce((sum, bit) => sum | (0x80 >> bit), 0);
  const unused = 7 - Math.max(...bits);
  return encodeExtension(oids.keyUsage, true, encodeDer(derTags.bitString, Buffer.from([unused, byte])));
}

export function encodeExtendedKeyUsage(...purposes: readonly string[]): Buffer {
  return encodeExtension(
    oids.extendedKeyUsage,
    false,
    encodeDer(derTags.sequence, ...purposes.map(encodeOid)),
  );
}

/** URIs and IP addresses. @throws Error for a text that is no IP address */
export function encodeSubjectAltName(uris: readonly string[], ips: readonly string[] = []): Buffer {
  const names = [
    ...uris.map((uri) => encodeDer(contextTag(6, false), Buffer.from(uri, 'latin1'))),
    ...ips.map((ip) => encodeDer(contextTag(7, false), Buffer.from(ipaddr.parse(ip).toByteArray()))),
  ];
  return encodeExtension(oids.subjectAltName, false, encodeDer(derTags.sequence, ...names));
}

/** SHA-1 of the key's bits, as everybody does it: a name for a key, nothing is trusted for it. @see RFC 5280 4.2.1.2 */
export function encodeKeyIdentifiers(subjectSpki: Uint8Array, issuerSpki: Uint8Array): readonly Buffer[] {
  const subject = encodeDer(derTags.octetString, keyIdentifier(subjectSpki));
  const issuer = encodeDer(derTags.sequence, encodeDer(contextTag(0, false), keyIdentifier(issuerSpki)));
  return [
    encodeExtension(oids.subjectKeyIdentifier, false, subject),
    encodeExtension(oids.authorityKeyIdentifier, false, issuer),
  ];
}

function keyIdentifier(spki: Uint8Array): Buffer {
  return createHash('sha1').update(spki).digest();
}

function encodeBitString(bytes: Uint8Array): Buffer {
  return encodeDer(derTags.bitString, Buffer.from([0]), bytes);
}
