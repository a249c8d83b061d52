/** Makes a certificate request (PKCS #10, RFC 2986) without the big library: an agent that enrols keeps its memory. */
import { type KeyObject, sign } from 'node:crypto';
import type { asn1 as Asn1 } from 'node-forge';
import asn1 from 'node-forge/lib/asn1.js';
import { spkiOf } from './certificate-signature.ts';
import { oids } from './oids.ts';

type Value = Asn1.Asn1;

/**
 * A request for this key, in DER.
 *
 *     SEQUENCE { info SEQUENCE { 0, name "homing", SubjectPublicKeyInfo, [0] no attributes }, algorithm, signature }
 */
export function signRequest(key: KeyObject): Buffer {
  const info = sequence(
    primitive(asn1.Type.INTEGER, '\0'),
    // Nobody reads it; some tools refuse an empty one.
    sequence(set(sequence(oid(oids.commonName), primitive(asn1.Type.UTF8, 'homing')))),
    asn1.fromDer(binary(spkiOf(key))),
    asn1.create(asn1.Class.CONTEXT_SPECIFIC, asn1.Type.NONE, true, []),
  );
  const signature = sign('sha256', toDer(info), key);
  // A bit string begins with the number of bits that are not used.
  return toDer(sequence(info, algorithmOf(key), primitive(asn1.Type.BITSTRING, `\0${binary(signature)}`)));
}

/** RFC 5758 3.2: EC has no parameters. */
function algorithmOf({ asymmetricKeyType }: KeyObject): Value {
  return asymmetricKeyType === 'rsa'
    ? sequence(oid(oids.sha256WithRsa), primitive(asn1.Type.NULL, ''))
    : sequence(oid(oids.ecdsaWithSha256));
}

function sequence(...values: Value[]): Value {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, values);
}

function set(...values: Value[]): Value {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SET, true, values);
}

/** @param hex as `oids` has it */
function oid(hex: string): Value {
  return primitive(asn1.Type.OID, binary(Buffer.from(hex, 'hex')));
}

function primitive(type: Asn1.Type, bytes: string): Value {
  return asn1.create(asn1.Class.UNIVERSAL, type, false, bytes);
}

function toDer(value: Value): Buffer {
  return Buffer.from(asn1.toDer(value).getBytes(), 'latin1');
}

/** node-forge keeps bytes in strings. */
function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
