/** Certificates of any kind, good and bad, for tests of the verifier. */
import { type KeyObject, createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import {
  type CertificateFields,
  encodeBasicConstraints,
  encodeCertificate,
  encodeExtendedKeyUsage,
  encodeKeyIdentifiers,
  encodeKeyUsage,
  encodeName,
  encodeSubjectAltName,
} from './certificate-encoding.ts';
import { type Certificate, parseCertificate } from '../../protocol/certificate-parsing.ts';
import { spkiOf } from '../../protocol/certificate-signature.ts';
import { derTags } from '../../protocol/der.ts';
import { encodeDer } from './der-encoding.ts';
import { oids } from '../../protocol/oids.ts';
import { encodePem, parsePem } from '../../protocol/pem.ts';
import { trustOf } from './certificates.ts';

export const dayMs = 86_400_000;

/** A certificate and its key. */
export interface Minted {
  readonly der: Buffer;
  readonly pem: string;
  readonly key: KeyObject;
  readonly certificate: Certificate;
}

export interface LeafParts {
  readonly cn: string;
  readonly uris: readonly string[];
  readonly purposes: readonly string[];
  readonly basicConstraints: Buffer | undefined;
  readonly keyUsage: Buffer | undefined;
  readonly more: readonly Buffer[];
  readonly key: KeyObject;
}

export const serverUri = 'hcsp:/PtPvXYJSQsqwTJpPGjwog';
export const clientUri = 'ab:EIW6Qe0ARnWrsJZTsHWada';
export const bothPurposes = [oids.serverAuth, oids.clientAuth];

export function mintKey(kind: 'P-256' | 'P-384' | 'secp256k1' | 'ed25519' | number = 'P-256'): KeyObject {
  if (kind === 'ed25519') return generateKeyPairSync('ed25519').privateKey;
  return typeof kind === 'number'
    ? generateKeyPairSync('rsa', { modulusLength: kind }).privateKey
    : generateKeyPairSync('ec', { namedCurve: kind }).privateKey;
}

/** A CA certificate: self-signed unless an issuer is given. */
export function mintCa(
  changes: Partial<CertificateFields> & {
    readonly cn?: string;
    readonly key?: KeyObject;
    readonly by?: Minted;
  } = {},
): Minted {
  const { cn = 'Test CA', key = mintKey(), by, ...fields } = changes;
  const spki = spkiOf(key);
  const subject = encodeName(cn);
  const complete = {
    ...validFields(),
    issuer: by?.certificate.subject ?? subject,
    subject,
    spki,
    extensions: [
      encodeBasicConstraints(true),
      encodeKeyUsage(5, 6),
      ...encodeKeyIdentifiers(spki, by?.certificate.spki ?? spki),
    ],
    ...fields,
  };
  return minted(encodeCertificate(complete, by?.key ?? key), key);
}

/** A good server's leaf of this CA, but for the changes. */
export function mintLeaf(
  ca: Minted,
  parts: Partial<LeafParts> = {},
  fields: Partial<CertificateFields> = {},
): Minted {
  const all = {
    cn: 'pi',
    uris: [serverUri],
    purposes: bothPurposes,
    basicConstraints: encodeBasicConstraints(false),
    keyUsage: encodeKeyUsage(0),
    more: [],
    key: mintKey(),
    ...parts,
  };
  const spki = spkiOf(all.key);
  const extensions = [
    all.basicConstraints,
    all.keyUsage,
    all.purposes.length > 0 ? encodeExtendedKeyUsage(...all.purposes) : undefined,
    all.uris.length > 0 ? encodeSubjectAltName(all.uris) : undefined,
    ...encodeKeyIdentifiers(spki, ca.certificate.spki),
    ...all.more,
  ].filter((extension) => extension !== undefined);
  const complete = {
    ...validFields(),
    issuer: ca.certificate.subject,
    subject: encodeName(all.cn),
    spki,
    extensions,
    ...fields,
  };
  return minted(encodeCertificate(complete, ca.key), all.key);
}

/** The same certificate with other bytes signed by hand: `change` gets the body and gives another. */
export function resign(leaf: Minted, ca: Minted, algorithm: Buffer, hash: string): Minted {
  const oldAlgorithm = encodeDer(
    derTags.sequence,
    encodeDer(derTags.oid, Buffer.from(oids.ecdsaWithSha256, 'hex')),
  );
  const body = Buffer.from(leaf.certificate.signedBytes);
  const at = body.indexOf(oldAlgorithm);
  const content = Buffer.concat([
    body.subarray(body[1] === 0x82 ? 4 : 3, at),
    algorithm,
    body.subarray(at + oldAlgorithm.length),
  ]);
  const changed = encodeDer(derTags.sequence, content);
  const signature = encodeDer(derTags.bitString, Buffer.from([0]), sign(hash, changed, ca.key));
  return minted(encodeDer(derTags.sequence, changed, algorithm, signature), leaf.key);
}

/** A certificate and key as `issuing.ts` makes them. */
export function mintedFrom(pem: { readonly certificatePem: string; readonly keyPem: string }): Minted {
  const blocks = parsePem(pem.certificatePem);
  const [block] = blocks.ok ? blocks.value : [];
  if (block === undefined) throw new Error('no certificate');
  return minted(Buffer.from(block.der), createPrivateKey(pem.keyPem));
}

export function trusting(...cas: readonly Minted[]) {
  return trustOf(cas.map(({ pem }) => pem).join(''));
}

function validFields() {
  return { serial: randomBytes(16), notBeforeMs: Date.now() - dayMs, notAfterMs: Date.now() + 30 * dayMs };
}

function minted(der: Buffer, key: KeyObject): Minted {
  const certificate = parseCertificate(der);
  if (certificate === undefined) throw new Error('minting a certificate: it cannot be read');
  return { der, pem: encodePem('CERTIFICATE', der), key, certificate };
}
