/** Chains that must not pass, each beside what `openssl verify` says of it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LeafCache, buildTimeMs, verifyLeaf } from '../../protocol/certificates.ts';
import {
  encodeBasicConstraints,
  encodeExtension,
  encodeKeyUsage,
  encodeName,
  encodeSignatureAlgorithm,
} from '../support/certificate-encoding.ts';
import { derTags, oidHex } from '../../protocol/der.ts';
import { encodeDer, encodeOid } from '../support/der-encoding.ts';
import { operatorId } from '../../protocol/identifiers.ts';
import { oids } from '../../protocol/oids.ts';
import {
  type CertificateDropReason,
  type TrustSet,
  certificateDropReasons,
  parseTrust,
} from '../../protocol/trust.ts';
import {
  type Minted,
  bothPurposes,
  clientUri,
  dayMs,
  mintCa,
  mintKey,
  mintLeaf,
  resign,
  serverUri,
  trusting,
} from '../support/chains.ts';
import { trustOf } from '../support/certificates.ts';
import { describeWith } from '../support/needs.ts';
import { openOpensslFolder } from '../support/openssl.ts';

const nowMs = Date.now();
const ca = mintCa();
const stranger = mintCa({ cn: 'Stranger CA' });
const namesake = mintCa();
const intermediate = mintCa({ cn: 'Intermediate', by: ca });
const expiredCa = mintCa({ cn: 'Old CA', notBeforeMs: nowMs - 20 * dayMs, notAfterMs: nowMs - dayMs });
const trust = trusting(ca, expiredCa);
const unknownOid = '1.3.6.1.4.1.99999.1';
const sha1Algorithm = encodeDer(
  derTags.sequence,
  encodeDer(derTags.oid, Buffer.from('2a8648ce3d0401', 'hex')),
);
const twoNames = encodeDer(derTags.sequence, ...['pi', 'nuc'].map((cn) => encodeName(cn).subarray(2)));
const deniedKey = mintLeaf(ca);

interface BadChain {
  readonly what: string;
  readonly reason: CertificateDropReason;
  readonly chain: readonly Minted[];
  /** openssl's: `OK`, or the number and text of its first error. */
  readonly openssl: string;
  readonly trust?: TrustSet;
  readonly atMs?: number;
}

/** docs/protocol.md, "Verdicts beside openssl verify", explains each difference. */
const badChains: readonly BadChain[] = [
  {
    what: 'signed by an unknown CA',
    reason: 'unknown-ca',
    chain: [mintLeaf(stranger)],
    openssl: '20 unable to get local issuer certificate',
  },
  {
    what: 'signed by a CA that only has our CA’s name',
    reason: 'certificate-signature',
    chain: [mintLeaf(namesake)],
    openssl: '20 unable to get local issuer certificate',
  },
  {
    what: 'self-signed',
    reason: 'leaf-is-ca',
    chain: [mintCa({ cn: 'pi' })],
    openssl: '18 self-signed certificate',
  },
  {
    what: 'below an intermediate that it brings',
    reason: 'intermediate',
    chain: [mintLeaf(intermediate), intermediate],
    openssl: 'OK',
  },
  {
    what: 'below an intermediate that it does not bring',
    reason: 'unknown-ca',
    chain: [mintLeaf(intermediate)],
    openssl: '20 unable to get local issuer certificate',
  },
  {
    what: 'good, but with a stranger’s certificate beside it',
    reason: 'intermediate',
    chain: [mintLeaf(ca), mintLeaf(ca)],
    openssl: 'OK',
  },
  {
    what: 'expired',
    reason: 'expired',
    chain: [mintLeaf(ca, {}, { notAfterMs: nowMs - dayMs, notBeforeMs: nowMs - 9 * dayMs })],
    openssl: '10 certificate has expired',
  },
  {
    what: 'expired and from an unknown CA',
    reason: 'unknown-ca',
    chain: [mintLeaf(stranger, {}, { notAfterMs: nowMs - dayMs, notBeforeMs: nowMs - 9 * dayMs })],
    openssl: '20 unable to get local issuer certificate',
  },
  {
    what: 'of a CA that expired',
    reason: 'ca-expired',
    chain: [mintLeaf(expiredCa)],
    openssl: '10 certificate has expired',
  },
  { what: 'the CA’s own certificate', reason: 'leaf-is-ca', chain: [ca], openssl: 'OK' },
  {
    what: 'a leaf with the CA flag',
    reason: 'leaf-is-ca',
    chain: [mintLeaf(ca, { basicConstraints: encodeBasicConstraints(true) })],
    openssl: 'OK',
  },
  {
    what: 'basicConstraints that are no SEQUENCE',
    reason: 'certificate-malformed',
    chain: [
      mintLeaf(ca, {
        basicConstraints: encodeExtension(oidHex('2.5.29.19'), true, Buffer.from([0x05, 0x00])),
      }),
    ],
    openssl: '20 unable to get local issuer certificate',
  },
  {
    what: 'may sign certificates',
    reason: 'key-usage',
    chain: [mintLeaf(ca, { keyUsage: encodeKeyUsage(0, 5) })],
    openssl: 'OK',
  },
  {
    what: 'may not sign',
    reason: 'key-usage',
    chain: [mintLeaf(ca, { keyUsage: encodeKeyUsage(2) })],
    openssl: 'OK',
  },
  {
    what: 'an unknown critical extension',
    reason: 'critical-extension',
    chain: [mintLeaf(ca, { more: [encodeExtension(oidHex(unknownOid), true, Buffer.from([5, 0]))] })],
    openssl: '34 unhandled critical extension',
  },
  {
    what: 'critical name constraints on a leaf',
    reason: 'critical-extension',
    chain: [mintLeaf(ca, { more: [encodeExtension(oidHex('2.5.29.30'), true, Buffer.from([0x30, 0]))] })],
    openssl: 'OK',
  },
  { what: 'no identifier', reason: 'identifier', chain: [mintLeaf(ca, { uris: [] })], openssl: 'OK' },
  {
    what: 'two identifiers',
    reason: 'identifier',
    chain: [mintLeaf(ca, { uris: [serverUri, clientUri] })],
    openssl: 'OK',
  },
  {
    what: 'an identifier of 21 characters',
    reason: 'identifier',
    chain: [mintLeaf(ca, { uris: [serverUri.slice(0, -1)] })],
    openssl: 'OK',
  },
  {
    what: 'an identifier with a NUL',
    reason: 'identifier',
    chain: [mintLeaf(ca, { uris: [`${serverUri}\0`] })],
    openssl: 'OK',
  },
  {
    what: 'an identifier in capitals beside a good one',
    reason: 'identifier',
    chain: [mintLeaf(ca, { uris: [serverUri, serverUri.toUpperCase()] })],
    openssl: 'OK',
  },
  {
    what: 'ab:*, which means everybody',
    reason: 'identifier',
    chain: [mintLeaf(ca, { uris: ['ab:*'], cn: 'default/door', purposes: [oids.clientAuth] })],
    openssl: 'OK',
  },
  {
    what: 'a name that is no DNS label',
    reason: 'name',
    chain: [mintLeaf(ca, { cn: '../etc' })],
    openssl: 'OK',
  },
  {
    what: 'a server with a client’s name',
    reason: 'name',
    chain: [mintLeaf(ca, { cn: 'default/door' })],
    openssl: 'OK',
  },
  {
    what: 'two common names',
    reason: 'name',
    chain: [mintLeaf(ca, {}, { subject: twoNames })],
    openssl: 'OK',
  },
  {
    what: 'a camera that may play a server',
    reason: 'extended-key-usage',
    chain: [mintLeaf(ca, { uris: [clientUri], cn: 'default/door', purposes: bothPurposes })],
    openssl: 'OK',
  },
  {
    what: 'a server that may not call',
    reason: 'extended-key-usage',
    chain: [mintLeaf(ca, { purposes: [oids.serverAuth] })],
    openssl: 'OK',
  },
  {
    what: 'no purposes, which means all',
    reason: 'extended-key-usage',
    chain: [mintLeaf(ca, { purposes: [] })],
    openssl: 'OK',
  },
  {
    what: 'a camera for any purpose',
    reason: 'extended-key-usage',
    chain: [mintLeaf(ca, { uris: [clientUri], cn: 'default/door', purposes: [oids.clientAuth, '551d2500'] })],
    openssl: 'OK',
  },
  {
    what: 'RSA of 1024 bits',
    reason: 'key-weak',
    chain: [mintLeaf(ca, { key: mintKey(1024) })],
    openssl: 'OK',
  },
  {
    what: 'another curve',
    reason: 'key-weak',
    chain: [mintLeaf(ca, { key: mintKey('secp256k1') })],
    openssl: 'OK',
  },
  { what: 'Ed25519', reason: 'key-weak', chain: [mintLeaf(ca, { key: mintKey('ed25519') })], openssl: 'OK' },
  {
    what: 'signed with SHA-1',
    reason: 'signature-algorithm',
    chain: [resign(mintLeaf(ca), ca, sha1Algorithm, 'sha1')],
    openssl: 'OK',
  },
  {
    what: 'a key on the deny list',
    reason: 'denied',
    chain: [deniedKey],
    openssl: 'OK',
    trust: trustOf(ca.pem, `sha256:${hashOf(deniedKey)}\n`),
  },
  {
    what: 'an identifier on the deny list',
    reason: 'denied',
    chain: [mintLeaf(ca)],
    openssl: 'OK',
    trust: trustOf(ca.pem, `${serverUri} # stolen\n`),
  },
];

function hashOf({ certificate }: Minted): string {
  const verdict = verifyLeaf([certificate.der], trusting(ca), nowMs);
  return verdict.ok ? verdict.value.spkiSha256 : '';
}

describe('a chain that must not pass', () => {
  it.each(badChains)('$what: $reason', ({ chain, reason, trust: own, atMs }) => {
    const verdict = verifyLeaf(
      chain.map(({ der }) => der),
      own ?? trust,
      atMs ?? nowMs,
    );
    expect(verdict).toMatchObject({ ok: false, reason });
  });

  it('has every reason but the two that only a connection has', () => {
    const tested = new Set<string>(badChains.map(({ reason }) => reason));
    const missing = certificateDropReasons.filter((reason) => !tested.has(reason));
    expect(missing).toEqual(['no-certificate', 'second-opinion']);
    expect(verifyLeaf([], trust, nowMs)).toMatchObject({ ok: false, reason: 'no-certificate' });
  });
});

describeWith(['openssl'], 'openssl verify', () => {
  const folder = openOpensslFolder();
  afterAll(() => folder[Symbol.dispose]());
  const anchors = folder.file('ca.crt', ca.pem + expiredCa.pem);

  it.each(badChains)('says of $what: $openssl', ({ chain: [leaf, ...others], openssl }) => {
    const file = folder.file('leaf.crt', leaf?.pem ?? '');
    const untrusted = folder.file('more.crt', others.map(({ pem }) => pem).join(''));
    const more = others.length > 0 ? ['-untrusted', untrusted] : [];
    const result = folder.run('verify', '-CAfile', anchors, ...more, file);
    expect(result.isGood ? 'OK' : result.verifyError).toBe(openssl);
  });
});

describe('a good chain', () => {
  it.each([
    { what: 'a server', leaf: mintLeaf(ca), role: 'server', id: serverUri, name: 'pi' },
    {
      what: 'a camera',
      leaf: mintLeaf(ca, { uris: [clientUri], cn: 'default/door', purposes: [oids.clientAuth] }),
      role: 'client',
      id: clientUri,
      name: 'default/door',
    },
    {
      what: 'the operator',
      leaf: mintLeaf(ca, { uris: [operatorId], cn: 'operator', purposes: [oids.serverAuth] }),
      role: 'operator',
      id: operatorId,
      name: 'operator',
    },
    {
      what: 'P-384',
      leaf: mintLeaf(ca, { key: mintKey('P-384') }),
      role: 'server',
      id: serverUri,
      name: 'pi',
    },
    {
      what: 'RSA of 2048 bits',
      leaf: mintLeaf(ca, { key: mintKey(2048) }),
      role: 'server',
      id: serverUri,
      name: 'pi',
    },
    {
      what: 'no key usage at all',
      leaf: mintLeaf(ca, { keyUsage: undefined, basicConstraints: undefined }),
      role: 'server',
      id: serverUri,
      name: 'pi',
    },
    {
      what: 'a URI of somebody else’s beside ours',
      leaf: mintLeaf(ca, { uris: ['spiffe://home/pi', serverUri] }),
      role: 'server',
      id: serverUri,
      name: 'pi',
    },
    {
      what: 'not yet valid, by a clock that is behind',
      leaf: mintLeaf(ca, {}, { notBeforeMs: nowMs + dayMs }),
      role: 'server',
      id: serverUri,
      name: 'pi',
    },
  ])('of $what passes', ({ leaf, role, id, name }) => {
    expect(verifyLeaf([leaf.der], trust, nowMs)).toMatchObject({ ok: true, value: { role, id, name } });
  });

  it('may bring the anchor itself', () => {
    expect(verifyLeaf([mintLeaf(ca).der, ca.der], trust, nowMs).ok).toBe(true);
  });

  it('may be signed by a CA with RSA, or with SHA-384', () => {
    const rsa = mintCa({ cn: 'RSA CA', key: mintKey(2048) });
    expect(verifyLeaf([mintLeaf(rsa).der], trusting(rsa), nowMs).ok).toBe(true);
    const sha384 = encodeDer(derTags.sequence, encodeOid(oids.ecdsaWithSha384));
    expect(verifyLeaf([resign(mintLeaf(ca), ca, sha384, 'sha384').der], trust, nowMs).ok).toBe(true);
    expect(encodeSignatureAlgorithm(ca.key)).not.toEqual(sha384);
  });

  it('is found by signature where two anchors have one name', () => {
    const verdict = verifyLeaf([mintLeaf(ca).der], trusting(namesake, ca), nowMs);
    expect(verdict).toMatchObject({ ok: true, value: { anchorSha256: trusting(ca).anchors[0]?.sha256 } });
  });

  it('is judged by the build time where the clock says 1970', () => {
    const leaf = mintLeaf(ca, {}, { notBeforeMs: 0, notAfterMs: buildTimeMs - dayMs });
    expect(verifyLeaf([leaf.der], trust, 0)).toMatchObject({ ok: false, reason: 'expired' });
    expect(verifyLeaf([mintLeaf(ca).der], trust, 0).ok).toBe(true);
  });
});

describe('an anchor whose key is denied', () => {
  it('vouches for nobody', () => {
    const [anchor] = trust.anchors;
    const denying = trustOf(ca.pem, anchor?.spkiSha256);
    expect(verifyLeaf([mintLeaf(ca).der], denying, nowMs)).toMatchObject({ ok: false, reason: 'denied' });
  });
});

describe('the memory for good leafs', () => {
  const leaf = mintLeaf(ca, {}, { notAfterMs: nowMs + dayMs });

  it('still judges the dates', () => {
    const leafs = new LeafCache();
    expect(verifyLeaf([leaf.der], trust, nowMs, leafs).ok).toBe(true);
    expect(verifyLeaf([leaf.der], trust, nowMs + 2 * dayMs, leafs)).toMatchObject({ reason: 'expired' });
  });

  it('forgets everything when the trust set changes', () => {
    const leafs = new LeafCache();
    expect(verifyLeaf([leaf.der], trust, nowMs, leafs).ok).toBe(true);
    const denying = trustOf(ca.pem, `${serverUri}\n`);
    expect(verifyLeaf([leaf.der], denying, nowMs, leafs)).toMatchObject({ reason: 'denied' });
  });

  it('keeps no more than its limit, and no bad ones', () => {
    const leafs = new LeafCache(2);
    const all = [mintLeaf(ca), mintLeaf(ca), mintLeaf(ca)];
    for (const each of [mintLeaf(stranger), ...all]) verifyLeaf([each.der], trust, nowMs, leafs);
    expect(leafs.size).toBe(2);
  });
});

describe('an anchor', () => {
  it.each([
    { what: 'a leaf', pem: mintLeaf(ca).pem, reason: 'not-self-signed' },
    { what: 'an intermediate', pem: intermediate.pem, reason: 'not-self-signed' },
    { what: 'no CA flag', pem: mintCa({ extensions: [encodeKeyUsage(5)] }).pem, reason: 'not-a-ca' },
    {
      what: 'no keyCertSign',
      pem: mintCa({ extensions: [encodeBasicConstraints(true), encodeKeyUsage(6)] }).pem,
      reason: 'not-a-ca',
    },
    {
      what: 'no key usage',
      pem: mintCa({ extensions: [encodeBasicConstraints(true)] }).pem,
      reason: 'not-a-ca',
    },
    { what: 'a weak key', pem: mintCa({ key: mintKey(1024) }).pem, reason: 'key-weak' },
    { what: 'name constraints on URIs', pem: constrainedCa(6).pem, reason: 'name-constraints' },
    { what: 'name constraints on DNS names', pem: constrainedCa(2).pem, reason: 'name-constraints' },
    {
      what: 'an unknown critical extension',
      pem: mintCa({
        extensions: [...caExtensions(), encodeExtension(oidHex(unknownOid), true, Buffer.from([5, 0]))],
      }).pem,
      reason: 'critical-extension',
    },
    {
      what: 'garbage',
      pem: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      reason: 'certificate-malformed',
    },
    {
      what: 'another kind of block',
      pem: '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n',
      reason: 'not-a-certificate',
    },
    { what: 'a block without an end', pem: ca.pem.slice(0, -20), reason: 'pem-malformed' },
    {
      what: 'a block with text in it',
      pem: ca.pem.replace('\n', '\nhello world\n'),
      reason: 'pem-malformed',
    },
    { what: 'nothing', pem: '# my CA\n', reason: 'no-anchors' },
    {
      what: 'a private key beside it',
      pem: `${ca.pem}${ca.key.export({ type: 'pkcs8', format: 'pem' }).toString()}`,
      reason: 'private-key',
    },
    {
      what: 'a broken private key before it',
      pem: `-----BEGIN EC PRIVATE KEY-----\n${ca.pem}`,
      reason: 'private-key',
    },
    { what: '65 of them', pem: ca.pem.repeat(65), reason: 'too-many' },
  ])('with $what: $reason', ({ pem, reason }) => {
    expect(parseTrust({ anchorsPem: pem, denyText: '' })).toMatchObject({ ok: false, reason });
  });

  it('counts once, with comments and CRLF around it', () => {
    const anchorsPem = `# the home's CA\r\n${ca.pem.replaceAll('\n', '\r\n')}\n\nold:\n${ca.pem}`;
    expect(trustOf(anchorsPem).anchors).toHaveLength(1);
  });
});

describe('a deny list', () => {
  it('takes keys and identifiers, with comments', () => {
    const key = 'AB'.repeat(32);
    const { deniedKeys, deniedIds } = trustOf(
      ca.pem,
      `# stolen\n\nsha256:${key}\n${clientUri}  # cellar\r\n${operatorId}\n`,
    );
    expect([...deniedKeys]).toEqual([key.toLowerCase()]);
    expect([...deniedIds]).toEqual([clientUri, operatorId]);
  });

  it.each(['pi', 'ab:*', 'sha256:1234', `${'ab'.repeat(32)}00`])('refuses %j', (line) => {
    const denied = parseTrust({ anchorsPem: ca.pem, denyText: `${line}\n` });
    expect(denied).toMatchObject({ ok: false, reason: 'deny-entry' });
  });

  it('is bounded', () => {
    const denyText = Array.from({ length: 10_001 }, (_, index) => index.toString(16).padStart(64, '0')).join(
      '\n',
    );
    expect(parseTrust({ anchorsPem: ca.pem, denyText })).toMatchObject({ ok: false, reason: 'too-many' });
  });
});

function caExtensions(): readonly Buffer[] {
  return [encodeBasicConstraints(true), encodeKeyUsage(5)];
}

/** Permits one name of this kind. */
function constrainedCa(kind: number): Minted {
  const name = encodeDer(0x80 | kind, Buffer.from('example.org'));
  const constraints = encodeDer(derTags.sequence, encodeDer(0xa0, encodeDer(derTags.sequence, name)));
  return mintCa({ extensions: [...caExtensions(), encodeExtension(oidHex('2.5.29.30'), true, constraints)] });
}

describe('docs/protocol.md', () => {
  it('shows every verdict beside that of openssl', () => {
    const page = readFileSync(path.join(import.meta.dirname, '../../docs/protocol.md'), 'utf8');
    const section = page.slice(page.indexOf('## Verdicts beside openssl verify'));
    const rows = section
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    const shown = rows.slice(2).map(([, what, reason, openssl]) => [what, reason, openssl]);
    expect(shown).toEqual(badChains.map(({ what, reason, openssl }) => [what, `\`${reason}\``, openssl]));
  });
});
