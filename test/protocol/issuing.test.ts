/** What is issued: to our own verifier, and to the strictest that openssl has. */
import { afterAll, describe, expect, it } from 'vitest';
import { findExtension } from '../../protocol/certificate-extensions.ts';
import { hexOf } from '../../protocol/der.ts';
import type { ClientId, ServerId } from '../../protocol/identifiers.ts';
import { type KeyKind, createAuthority, issueClient, issueServer } from '../../protocol/issuing.ts';
import { oids } from '../../protocol/oids.ts';
import { verifyLeaf } from '../../protocol/certificates.ts';
import { dayMs, mintedFrom, trusting } from '../support/chains.ts';
import { describeWith } from '../support/needs.ts';
import { openOpensslFolder } from '../support/openssl.ts';

const nowMs = Date.now();
const id: ServerId = 'hcsp:PtPvXYJSQsqwTJpPGjwogw';
const clientId: ClientId = 'ab:EIW6Qe0ARnWrsJZTsHWada';
const kinds: readonly KeyKind[] = ['P-256', 'P-384', 'RSA'];

describe('issuing', () => {
  it.each(kinds)('makes leafs of a CA with a key of %s that the verifier takes', async (keyKind) => {
    const authority = await createAuthority({ nowMs, keyKind });
    const trust = trusting(mintedFrom(authority));
    const server = mintedFrom(await issueServer(authority, { nowMs, keyKind, id, name: 'pi' }));
    expect(verifyLeaf([server.der], trust, nowMs)).toMatchObject({
      ok: true,
      value: { role: 'server', id, name: 'pi' },
    });
    const client = mintedFrom(await issueClient(authority, { nowMs, id: clientId, name: 'default/door' }));
    expect(verifyLeaf([client.der], trust, nowMs)).toMatchObject({
      ok: true,
      value: { role: 'client', id: clientId, name: 'default/door' },
    });
  });

  it('is good an hour ago, in whole seconds, and never longer than its CA', async () => {
    const authority = await createAuthority({ nowMs: nowMs + 0.5, days: 36_000 });
    const ca = mintedFrom(authority).certificate;
    const second = Math.floor(nowMs / 1000) * 1000;
    expect(ca.notBeforeMs).toBe(second - 3_600_000);
    expect(ca.notAfterMs).toBe(second + 36_000 * dayMs);
    const leaf = mintedFrom(await issueServer(authority, { nowMs, days: 36_500, id, name: 'pi' }));
    expect(leaf.certificate.notAfterMs).toBe(ca.notAfterMs);
  });

  it('numbers each certificate differently, also for the same key', async () => {
    const authority = await createAuthority({ nowMs });
    const first = await issueServer(authority, { nowMs, id, name: 'pi' });
    const { keyPem } = first;
    const second = await issueServer(authority, { nowMs: nowMs + 1000, id, name: 'pi', keyPem });
    const serials = [authority, first, second].map((pem) => hexOf(mintedFrom(pem).certificate.serial));
    expect(new Set(serials).size).toBe(3);
    expect(second.keyPem).toBe(keyPem);
  });

  it('writes addresses of every form', async () => {
    const authority = await createAuthority({ nowMs });
    const ips = ['192.0.2.9', 'fd00::9', '::ffff:192.0.2.1', 'fe80::1%eth0'];
    const { certificate } = mintedFrom(await issueServer(authority, { nowMs, id, name: 'pi', ips }));
    const names = hexOf(findExtension(certificate, oids.subjectAltName) ?? new Uint8Array());
    const addresses = [
      '8704c0000209',
      '8710fd000000000000000000000000000009',
      '871000000000000000000000ffffc0000201',
      '8710fe800000000000000000000000000001',
    ];
    expect(names.endsWith(addresses.join(''))).toBe(true);
  });

  it('refuses a CA with the key of another', async () => {
    const [authority, other] = await Promise.all([createAuthority({ nowMs }), createAuthority({ nowMs })]);
    const mixed = { certificatePem: authority.certificatePem, keyPem: other.keyPem };
    await expect(issueServer(mixed, { nowMs, id, name: 'pi' })).rejects.toThrow('not the CA certificate’s');
  });
});

describeWith(['openssl'], 'issuing beside openssl', () => {
  const folder = openOpensslFolder();
  afterAll(() => folder[Symbol.dispose]());

  it.each(kinds)('passes its strict verification with keys of %s', async (keyKind) => {
    const authority = await createAuthority({ nowMs, keyKind });
    const leaf = await issueServer(authority, { nowMs, keyKind, id, name: 'pi', ips: ['192.0.2.9'] });
    const ca = folder.file('ca.crt', authority.certificatePem);
    const file = folder.file('pi.crt', leaf.certificatePem);
    const purpose = ['-purpose', 'sslserver', '-verify_ip', '192.0.2.9'];
    expect(folder.run('verify', '-x509_strict', '-CAfile', ca, ...purpose, file).stderr).toBe('');
  });

  it('issues under a CA that openssl made, whose name has several parts of other kinds of text', async () => {
    const subject = '/C=CH/O=Häusliches/OU=Cameras/CN=Home CA';
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'own.key'];
    const uses = ['-addext', 'keyUsage=critical,keyCertSign'];
    const made = folder.run('req', '-x509', ...key, ...uses, '-utf8', '-subj', subject, '-out', 'own.crt');
    expect(made.isGood).toBe(true);
    const certificatePem = folder.run('x509', '-in', 'own.crt').stdout.toString();
    const keyPem = folder.run('pkey', '-in', 'own.key').stdout.toString();
    const leaf = await issueServer({ certificatePem, keyPem }, { nowMs, id, name: 'pi' });
    const file = folder.file('own-pi.crt', leaf.certificatePem);
    expect(folder.run('verify', '-x509_strict', '-CAfile', 'own.crt', file).stderr).toBe('');
    expect(
      verifyLeaf([mintedFrom(leaf).der], trusting(mintedFrom({ certificatePem, keyPem })), nowMs),
    ).toMatchObject({ ok: true });
  });
});
