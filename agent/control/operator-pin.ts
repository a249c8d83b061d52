/** Whom an agent believes to be the operator before it has enrolled: a CA in a file, or the hash of one's key. Pure. */
import { type Anchor, parseAnchors } from '../../protocol/anchors.ts';
import { encodePem } from '../../protocol/pem.ts';

const pinPattern = /^sha256:([0-9a-f]{64})$/i;

/** The hash out of `sha256:HEX` (of the CA certificate's SubjectPublicKeyInfo); undefined where it is none, but a file's name. */
export function parsePin(text: string): string | undefined {
  return pinPattern.exec(text)?.[1]?.toLowerCase();
}

/** The certificate that came beside the operator's own, as an anchor: only if it is a CA with exactly that key. */
export function anchorOfPin(der: Uint8Array | undefined, pin: string): Anchor | undefined {
  if (der === undefined) return undefined;
  const anchors = parseAnchors(encodePem('CERTIFICATE', der));
  return anchors.ok ? anchors.value.find(({ spkiSha256 }) => spkiSha256 === pin) : undefined;
}
