/** Signs messages that `cms.ts` reads. */
import { type KeyObject, createHash, sign } from 'node:crypto';
import { encodeSignatureAlgorithm } from './certificate-encoding.ts';
import { parseCertificate } from './certificate-parsing.ts';
import { contextTag, derTags } from './der.ts';
import { encodeDer, encodeDerInteger, encodeDerSet, encodeDerTime, encodeOid } from './der-encoding.ts';
import { oids } from './oids.ts';

const context0 = contextTag(0);

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
