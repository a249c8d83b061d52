/** Supplemental enhancement information: H.264 and H.265 write its messages alike, and number recovery points alike. */
import { unescapeNal } from './nal-heads.ts';

const recoveryPointPayload = 6;

/**
 * True where an SEI unit's messages include a recovery point.
 *
 * @param headerBytes of the NAL unit: 1 in H.264, 2 in H.265
 * @see ITU-T H.264 D.1.8, H.265 D.2.8
 */
export function hasRecoveryPoint(nal: Uint8Array, headerBytes: 1 | 2): boolean {
  const raw = unescapeNal(nal);
  let at: number = headerBytes;
  // The last byte is the stop bit; a message is at least two bytes.
  while (at + 2 < raw.length) {
    const type = readExtended(raw, at);
    const size = readExtended(raw, type.next);
    if (type.value === recoveryPointPayload) return true;
    at = size.next + size.value;
  }
  return false;
}

function readExtended(raw: Uint8Array, from: number): { readonly value: number; readonly next: number } {
  let at = from;
  let value = 0;
  while (raw[at] === 0xff) {
    value += 255;
    at += 1;
  }
  return { value: value + (raw[at] ?? 0), next: at + 1 };
}
