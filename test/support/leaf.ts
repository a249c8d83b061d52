/** What a verified certificate would have said, for tests without TLS. */
import { generateKeyPairSync } from 'node:crypto';
import { spkiOf } from '../../protocol/certificate-signature.ts';
import { LeafKey } from '../../protocol/leaf-key.ts';
import type { Leaf, Role } from '../../protocol/trust.ts';

const key = new LeafKey(spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey));

export function plainLeaf(role: Role, id: Leaf['id'], name: string): Leaf {
  return { role, id, name, spkiSha256: '00', publicKey: key, notAfterMs: Infinity, anchorSha256: '00' };
}
