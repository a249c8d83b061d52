import { execFileSync } from 'node:child_process';
import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createCertificateRequest,
  fingerprintOf,
  parseCertificateRequest,
} from '../../protocol/certificate-requests.ts';
import { encodeDer } from '../support/der-encoding.ts';
import { describeWith } from '../support/needs.ts';

const ecKey = (namedCurve: string) =>
  generateKeyPairSync('ec', { namedCurve }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const rsaKey = (modulusLength: number) =>
  generateKeyPairSync('rsa', { modulusLength })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
const spkiHash = (keyPem: string) =>
  createHash('sha256')
    .update(createPublicKey(keyPem).export({ type: 'spki', format: 'der' }))
    .digest('hex');
const wrap = (der: Uint8Array) =>
  `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(der)
    .toString('base64')
    .replaceAll(/.{1,64}/g, '$&\n')}-----END CERTIFICATE REQUEST-----\n`;
const unwrap = (pem: string) => Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');

describe('a certificate request', () => {
  it.each([
    ['P-256', ecKey('P-256')],
    ['P-384', ecKey('P-384')],
    ['RSA', rsaKey(2048)],
  ] as const)('brings its key, of %s, and proves that it is there', async (keyKind, keyPem) => {
    const read = await parseCertificateRequest(await createCertificateRequest(keyPem));
    expect(read).toMatchObject({ ok: true, value: { keyKind, spkiSha256: spkiHash(keyPem) } });
    expect(fingerprintOf(keyPem)).toBe(spkiHash(keyPem));
  });

  it('is refused where its signature is another key’s', async () => {
    const [mine, theirs] = await Promise.all(
      [ecKey('P-256'), ecKey('P-256')].map((key) => createCertificateRequest(key)),
    );
    const swapped = unwrap(mine ?? '');
    // The key is the last 65 bytes of the SPKI; both requests are laid out alike.
    const at = swapped.indexOf(Buffer.from('034200', 'hex')) + 3;
    const from = unwrap(theirs ?? '').indexOf(Buffer.from('034200', 'hex')) + 3;
    unwrap(theirs ?? '').copy(swapped, at, from, from + 65);
    expect(await parseCertificateRequest(wrap(swapped))).toMatchObject({
      ok: false,
      reason: 'request-signature',
    });
  });

  it('is refused where its key is written in another way than certificates have it: it could not be denied', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const compressed = Buffer.concat([
      Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
      Buffer.from([2 + ((spki.at(-1) ?? 0) & 1)]),
      spki.subarray(-64, -32),
    ]);
    const requestFor = (key: Uint8Array) => {
      const info = encodeDer(0x30, Buffer.from('0201003000', 'hex'), key, Buffer.from('a000', 'hex'));
      const algorithm = Buffer.from('300a06082a8648ce3d040302', 'hex');
      const signature = sign('sha256', info, privateKey);
      return wrap(encodeDer(0x30, info, algorithm, encodeDer(0x03, Buffer.from([0]), signature)));
    };
    expect(await parseCertificateRequest(requestFor(spki))).toMatchObject({ ok: true });
    expect((await parseCertificateRequest(requestFor(compressed))).ok).toBe(false);
  });

  it('is refused above 8192 characters before anything is read', async () => {
    expect(await parseCertificateRequest('x'.repeat(8193))).toMatchObject({
      ok: false,
      reason: 'request-unreadable',
    });
  });

  it.each([
    ['', 'nothing'],
    ['-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n', 'an empty block'],
    ['hello', 'a word'],
    [wrap(Buffer.from('3000', 'hex')), 'an empty sequence'],
    [wrap(Buffer.from('30848fffffff', 'hex')), 'a length beyond everything'],
  ])('is refused as %j (%s)', async (pem) => {
    expect(await parseCertificateRequest(pem)).toMatchObject({ ok: false, reason: 'request-unreadable' });
  });

  it('never throws and never certifies another key, whichever byte is changed and wherever it ends', async () => {
    const keyPem = ecKey('P-256');
    const der = unwrap(await createCertificateRequest(keyPem));
    const own = spkiHash(keyPem);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(der.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        async (at, flip, isCut) => {
          const changed = Buffer.from(isCut ? der.subarray(0, at) : der);
          if (!isCut) changed[at] = (changed[at] ?? 0) ^ flip;
          const read = await parseCertificateRequest(wrap(changed));
          expect(read.ok ? read.value.spkiSha256 : own).toBe(own);
        },
      ),
      { numRuns: 400 },
    );
  });
});

describeWith(['openssl'], 'requests of openssl', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'homing-csr-'));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const request = (keyPem: string, ...args: readonly string[]) => {
    const file = path.join(directory, 'key.pem');
    writeFileSync(file, keyPem, { mode: 0o600 });
    return execFileSync('openssl', ['req', '-new', '-key', file, '-subj', '/CN=anything', ...args], {
      encoding: 'utf8',
    });
  };

  it('are read, and what names they have is looked at by nobody', async () => {
    const keyPem = ecKey('P-256');
    const pem = request(keyPem, '-addext', 'subjectAltName=URI:homing:operator', '-sha384');
    const read = await parseCertificateRequest(pem);
    expect(read).toMatchObject({ ok: true, value: { spkiSha256: spkiHash(keyPem) } });
    expect(Object.keys(read.ok ? read.value : {}).toSorted()).toEqual(['keyKind', 'spki', 'spkiSha256']);
  });

  it.each([
    ['RSA of 1024 bits', () => rsaKey(1024)],
    ['secp256k1', () => ecKey('secp256k1')],
    ['P-521', () => ecKey('secp521r1')],
    [
      'Ed25519',
      () => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ],
  ] as const)('are refused for a key of %s', async (_, make) => {
    const read = await parseCertificateRequest(request(make()));
    expect(read).toMatchObject({ ok: false, reason: 'key-unsupported' });
  });

  it('are ours: openssl verifies what we make', async () => {
    const file = path.join(directory, 'ours.csr');
    writeFileSync(file, await createCertificateRequest(ecKey('P-256')));
    const out = execFileSync('openssl', ['req', '-in', file, '-verify', '-noout', '-text'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(out).toContain('prime256v1');
  });
});
