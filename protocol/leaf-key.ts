/** A leaf's public key: judged by its bytes, and read by OpenSSL only where a signature is to be verified with it. */
import { type KeyObject, createPublicKey } from 'node:crypto';
import { readStrongKey } from './certificate-signature.ts';

/** A key of a kind, size and value that is taken. */
export class LeafKey {
  readonly #spki: Uint8Array;
  #object: KeyObject | undefined;

  /** @param spki SubjectPublicKeyInfo in DER */
  constructor(spki: Uint8Array, object?: KeyObject) {
    this.#spki = spki;
    this.#object = object;
  }

  /** Most leafs never sign a message: TLS has seen for itself that the other side has the key. */
  get object(): KeyObject {
    this.#object ??= createPublicKey({ key: Buffer.from(this.#spki), format: 'der', type: 'spki' });
    return this.#object;
  }
}

/** The key, if it is taken. OpenSSL takes a tenth of a millisecond to read one, so those on P-256 are judged here. */
export function readLeafKey(spki: Uint8Array): LeafKey | undefined {
  if (isOnP256(spki)) return new LeafKey(spki);
  const object = readStrongKey({ spki });
  return object === undefined ? undefined : new LeafKey(spki, object);
}

/** SubjectPublicKeyInfo of a key on P-256, up to its uncompressed point. @see RFC 5480 */
const p256Prefix = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const coordinateBytes = 32;
/** Field and coefficient of the curve. @see SEC 2, 2.4.2 */
const p256Prime = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const p256B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

/** Whether it is a point on P-256 in the form that everybody writes; its group has no other points to fear. */
function isOnP256(spki: Uint8Array): boolean {
  const bytes = Buffer.from(spki.buffer, spki.byteOffset, spki.byteLength);
  const start = p256Prefix.length;
  if (bytes.length !== start + 2 * coordinateBytes || !bytes.subarray(0, start).equals(p256Prefix))
    return false;
  const x = BigInt(`0x${bytes.toString('hex', start, start + coordinateBytes)}`);
  const y = BigInt(`0x${bytes.toString('hex', start + coordinateBytes)}`);
  if (x >= p256Prime || y >= p256Prime) return false;
  return (y * y - (x * x - 3n) * x - p256B) % p256Prime === 0n;
}
