/** Identifiers and names (the words that a certificate binds to a key). */

/** A home server's identifier, `hcsp:` and 22 characters. @see [0064], Fig 7 */
export type ServerId = `hcsp:${string}`;
/** A camera client's identifier, `ab:` and 22 characters. */
export type ClientId = `ab:${string}`;
/** The operator's fixed identifier. Our choice: there is one operator a home. */
export const operatorId = 'homing:operator';
/** The destination that means every client. @see Fig 8A */
export const everyClient = 'ab:*';

const serverPattern = /^hcsp:[A-Za-z0-9+/]{22}$/;
const clientPattern = /^ab:[A-Za-z0-9+/]{22}$/;
const labelPattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * True for `hcsp:` and 22 characters. Never decoded (the figure's own identifiers are not canonical base64) and never
 * parsed as a URL (1 in 4,096 begins with `//`).
 */
export function isServerId(text: string): text is ServerId {
  return serverPattern.test(text);
}

/** True for `ab:` and 22 characters; `ab:*` is a destination, not an identifier. */
export function isClientId(text: string): text is ClientId {
  return clientPattern.test(text);
}

/**
 * The 22 characters of an identifier: unpadded base64 of 16 bytes.
 *
 * @param bytes 16 random bytes, or the bytes of a UID
 */
export function encodeIdentifier(bytes: Uint8Array): string {
  if (bytes.length !== 16) throw new RangeError(`an identifier is made of 16 bytes, not ${bytes.length}`);
  return Buffer.from(bytes).toString('base64').slice(0, 22);
}

/** A server's name: one DNS label (RFC 1123), the node's name in a cluster. */
export function isServerName(text: string): boolean {
  return labelPattern.test(text);
}

/** A client's name: `namespace/name`, both DNS labels. */
export function isClientName(text: string): boolean {
  const parts = text.split('/');
  return parts.length === 2 && parts.every((part) => labelPattern.test(part));
}

/** A stream of a client (`main`, `sub`): one DNS label. */
export function isStreamName(text: string): boolean {
  return labelPattern.test(text);
}

/** Code point order, the protocol's only string order ([0087]); UTF-16 order is the same for ASCII. */
export function compareCodePoints(a: string, b: string): -1 | 0 | 1 {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
