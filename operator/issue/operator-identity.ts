/** The operator's own certificate: issued by itself, in memory, new at each start. */
import { issueOperator, type KeyedCertificate } from '../../protocol/issuing.ts';
import { parseIdentity, type Identity } from '../../tls/identity.ts';

const days = 365;

/** Makes it. */
export async function makeOperatorIdentity(authority: KeyedCertificate, nowMs: number): Promise<Identity> {
  return parseIdentity(await issueOperator(authority, { name: 'operator', nowMs, days }));
}
