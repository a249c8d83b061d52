/** Announcements (M1): the Fig 8A document, signed by the server that it is about. @see [0064] to [0066], [0087] */
import { hashBytes } from './certificate-parsing.ts';
import { type LeafCache, verifyLeaf } from './certificates.ts';
import {
  type SignedMessage,
  findSignerCertificate,
  peekSignerSpki,
  readSignedMessage,
  verifySignedMessage,
} from './cms.ts';
import { type Signer, signMessage } from './cms-signing.ts';
import { wholeOf } from './der.ts';
import { type Subscribe, encodeDocument, parseDocument } from './documents.ts';
import { type Result, bad, good } from './result.ts';
import { type Leaf, type TrustSet, certificateDropReasons } from './trust.ts';

/** What fits into one datagram of an Ethernet: 1,500 bytes without the headers of UDP and IPv4 or IPv6. */
export const maxDatagramBytes = { ipv4: 1472, ipv6: 1452 } as const;
/** On links, where base64 of it stands in a document of 8 KiB. */
export const maxAnnouncementBytes = 6000;

/** Why an announcement is dropped; a closed list, each counted, documented and tested. */
export const announcementDropReasons = [
  'too-large',
  'not-der',
  'cms-shape',
  'signers',
  'algorithm',
  'attributes',
  'signer-id',
  ...certificateDropReasons,
  'role',
  'digest',
  'signature',
  'document',
  'identity',
] as const;

export type AnnouncementDropReason = (typeof announcementDropReasons)[number];

/** An announcement of which only the shape is known. */
export interface PeekedAnnouncement {
  /** Lower-case hexadecimal SHA-256 of the key that it claims to be signed by. */
  readonly leafSpkiSha256: string;
  readonly message: SignedMessage;
}

export interface VerifiedAnnouncement {
  readonly subscribe: Subscribe;
  readonly leaf: Leaf;
  /** What the signer's clock said, Unix milliseconds; for people only. */
  readonly signedAtMs: number;
}

/** Signs what a server says of itself. Whether it fits into a datagram is for the sender to look at. */
export function signAnnouncement(
  subscribe: Subscribe,
  identity: Signer & { readonly leaf: Pick<Leaf, 'id'> },
  nowMs: number,
): Uint8Array {
  if (subscribe.from.id !== identity.leaf.id) {
    throw new RangeError(`signing an announcement of ${subscribe.from.id} as ${identity.leaf.id}`);
  }
  return signMessage(Buffer.from(encodeDocument(subscribe), 'latin1'), identity, nowMs);
}

/** Reads the shape and the key, without any signature check: about 3 µs. What is dropped by its key is dropped here. */
export function peekAnnouncement(
  message: Uint8Array,
  maxBytes: number = maxAnnouncementBytes,
): Result<PeekedAnnouncement, AnnouncementDropReason> {
  if (message.length > maxBytes) {
    return bad('too-large', `reading an announcement: ${message.length} bytes are above ${maxBytes}`);
  }
  const signed = readSignedMessage(message);
  if (!signed.ok) return signed;
  const spki = peekSignerSpki(signed.value);
  return spki === undefined
    ? bad('signer-id', 'reading an announcement: no certificate in it is its signer’s')
    : good({ leafSpkiSha256: hashBytes(spki), message: signed.value });
}

/**
 * Verifies everything that bytes can show: shape, certificate, deny list, signature, document, and that the document speaks
 * for the server of the certificate. What is left is order (replays) and whether anybody is at the address.
 *
 * @param message bytes, or what `peekAnnouncement` made of them
 * @param leafs remembers good leafs: the second message of a server costs one signature check
 */
export function verifyAnnouncement(
  message: Uint8Array | PeekedAnnouncement,
  trust: TrustSet,
  nowMs: number,
  leafs?: LeafCache,
): Result<VerifiedAnnouncement, AnnouncementDropReason> {
  const peeked = message instanceof Uint8Array ? peekAnnouncement(message) : good(message);
  if (!peeked.ok) return peeked;
  const signed = peeked.value.message;
  const signer = findSignerCertificate(signed);
  if (signer === undefined) {
    return bad('signer-id', 'verifying an announcement: no certificate in it is its signer’s');
  }
  const others = signed.certificates.filter((certificate) => certificate !== signer);
  const leaf = verifyLeaf([signer, ...others].map(wholeOf), trust, nowMs, leafs);
  if (!leaf.ok) return leaf;
  if (leaf.value.role !== 'server') {
    return bad('role', `verifying an announcement: ${leaf.value.id} is a ${leaf.value.role}, not a server`);
  }
  const signature = verifySignedMessage(signed, leaf.value.publicKey.object);
  return signature.ok ? readContent(signed, leaf.value) : signature;
}

function readContent(
  { content, signedAtMs }: SignedMessage,
  leaf: Leaf,
): Result<VerifiedAnnouncement, AnnouncementDropReason> {
  const document = parseDocument(content);
  if (!document.ok) return bad('document', document.detail);
  const subscribe = document.value.body;
  if (subscribe.kind !== 'subscribe') {
    return bad('document', `verifying an announcement: ${subscribe.kind} is not subscribe`);
  }
  return subscribe.from.id === leaf.id
    ? good({ subscribe, leaf, signedAtMs })
    : bad('identity', `verifying an announcement: ${leaf.id} signed for ${subscribe.from.id}`);
}
