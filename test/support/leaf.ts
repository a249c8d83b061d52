/** What a verified certificate would have said, for tests without TLS. */
import { generateKeyPairSync } from 'node:crypto';
import type { Leaf, Role } from '../../protocol/trust.ts';

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

export function plainLeaf(role: Role, id: Leaf['id'], name: string): Leaf {
  return { role, id, name, spkiSha256: '00', publicKey, notAfterMs: Infinity, anchorSha256: '00' };
}
