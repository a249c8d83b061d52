/** What strangers send: real bytes, signed by others or by nobody, for the real intake. */
import type { Identity } from '../../tls/identity.ts';
import { signMessage } from '../../protocol/cms-signing.ts';
import { encodeDocument } from '../../protocol/documents.ts';
import { type ServerId, isServerId } from '../../protocol/identifiers.ts';
import type { TrustSet } from '../../protocol/trust.ts';
import { mintHome, trustOf } from '../support/certificates.ts';
import { seededRandom } from '../support/mutation.ts';

export interface StrangerMessage {
  readonly bytes: Uint8Array;
  /** The home's, which did not sign it or takes nothing of who did. */
  readonly trust: TrustSet;
  /** When it is heard. */
  readonly unixMs: number;
}

const dayMs = 86_400_000;
const broken = 12;

/** A good message too: a home that drops everything proves nothing. */
export interface Strangers {
  readonly messages: readonly StrangerMessage[];
  readonly good: StrangerMessage;
}

/** Another CA's server under our servers' names, a key that is denied, a camera that plays a server, an old certificate, broken bytes. */
export async function mintStrangers(): Promise<Strangers> {
  const unixMs = Date.now();
  const [home, foreign] = await Promise.all([mintHome(), mintHome()]);
  const [own, denied, camera, old, stranger] = await Promise.all([
    home.server('sa'),
    home.server('sb'),
    home.client('default/c00'),
    home.server('sc', { nowMs: unixMs - 900 * dayMs, days: 1 }),
    foreign.server('sa'),
  ]);
  const trust = trustOf(home.authority.certificatePem, denied.leaf.id);
  const sign = (identity: Identity, id: string): Uint8Array => signAs(identity, id, unixMs);
  const goodBytes = sign(own, own.leaf.id);
  const random = seededRandom(4711);
  const messages = [
    sign(stranger, own.leaf.id),
    sign(stranger, stranger.leaf.id),
    sign(denied, denied.leaf.id),
    sign(camera, own.leaf.id),
    sign(old, old.leaf.id),
    // Its own certificate, and somebody else's identifier.
    sign(own, old.leaf.id),
    ...Array.from({ length: broken }, () => breakBytes(goodBytes, random)),
  ];
  return {
    messages: messages.map((bytes) => ({ bytes, trust, unixMs })),
    good: { bytes: goodBytes, trust, unixMs },
  };
}

/** One byte of the signed document is another. */
function breakBytes(good: Uint8Array, random: () => number): Uint8Array {
  const bytes = Buffer.from(good);
  const at = bytes.indexOf('<hosp') + Math.floor(random() * 200);
  bytes[at] = (bytes[at] ?? 0) ^ (1 + Math.floor(random() * 255));
  return bytes;
}

/** Says what an attacker would say: the best server there is, and free. */
function signAs(identity: Identity, id: string, unixMs: number): Uint8Array {
  const document = encodeDocument({
    kind: 'subscribe',
    to: 'ab:*',
    from: { id: asServer(id), address: { ip: '10.0.0.66', port: 17_320 } },
    features: ['x', 'record', 'gpu', 'web'],
    connected: 0,
    max: 100,
    order: { boot: unixMs, seq: 1 },
    also: [],
  });
  return signMessage(Buffer.from(document, 'latin1'), identity, unixMs);
}

function asServer(id: string): ServerId {
  if (isServerId(id)) return id;
  throw new Error(`${id} is no server`);
}
