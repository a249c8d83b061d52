import { describe, expect, it } from 'vitest';
import { judgeAuthority } from '../../../operator/issue/authority-rules.ts';
import { encode } from '../../../operator/specs/trust-secret.ts';
import { createAuthority, issueServer } from '../../../protocol/issuing.ts';

const nowMs = Date.now();
const secretOf = (certificatePem: string, keyPem: string) => ({
  data: { 'tls.crt': encode(certificatePem), 'tls.key': encode(keyPem), 'ca.crt': encode(certificatePem) },
});

describe('the CA', () => {
  it('is the one of the Secret, also where cert-manager wrote it', async () => {
    const authority = await createAuthority({ nowMs });
    const verdict = judgeAuthority(secretOf(authority.certificatePem, authority.keyPem), ['agents']);
    expect(verdict).toEqual({ kind: 'use', authority });
  });

  it('is made only where nothing is left of any', () => {
    expect(judgeAuthority(undefined, [])).toEqual({ kind: 'make' });
    expect(judgeAuthority({ data: {} }, [])).toEqual({ kind: 'make' });
    expect(judgeAuthority(undefined, ['the Secret homing-trust', 'the TrustBundle home'])).toMatchObject({
      kind: 'refuse',
      reason: 'CAMissing',
      message: expect.stringContaining(
        'while the Secret homing-trust and the TrustBundle home still trust it',
      ),
    });
  });

  it('is refused where it is signed by another', async () => {
    const root = await createAuthority({ nowMs });
    const leaf = await issueServer(root, { id: `hcsp:${'A'.repeat(22)}`, name: 'nuc', nowMs });
    const verdict = judgeAuthority(secretOf(leaf.certificatePem, leaf.keyPem), []);
    expect(verdict).toMatchObject({ kind: 'refuse', reason: 'CANotSelfSigned' });
  });

  it('is refused where its key is another’s, is missing, or is none', async () => {
    const [one, two] = await Promise.all([createAuthority({ nowMs }), createAuthority({ nowMs })]);
    const bad = [
      secretOf(one.certificatePem, two.keyPem),
      secretOf(one.certificatePem, 'junk'),
      { data: { 'tls.crt': encode(one.certificatePem) } },
      secretOf('junk', one.keyPem),
    ];
    const verdicts = bad.map((secret) => judgeAuthority(secret, []));
    expect(verdicts).toEqual(bad.map(() => expect.objectContaining({ kind: 'refuse', reason: 'CAInvalid' })));
    expect(JSON.stringify(verdicts)).not.toContain('PRIVATE KEY');
  });
});
