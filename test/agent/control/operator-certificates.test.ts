import { mkdtemp, readFile, readdir, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OperatorCertificates } from '../../../agent/control/operator-certificates.ts';
import { parseCertificateRequest } from '../../../protocol/certificate-requests.ts';
import { issueForKey } from '../../../protocol/issuing.ts';
import { mintHome } from '../../support/certificates.ts';

const home = await mintHome();
const [anchor] = home.trust.anchors;

describe('keys and certificates from an operator', () => {
  let root = '';
  let certificates: OperatorCertificates;

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'homing-certificates-'));
    certificates = new OperatorCertificates(root, 'nuc');
    await certificates.open();
  });
  afterEach(async () => {
    await rm(root, { recursive: true, force: true });
  });

  const certify = async (name: string, days = 30, agedDays = 0): Promise<string> => {
    const key = await parseCertificateRequest(await certificates.request(name));
    if (!key.ok) throw new Error(key.detail);
    const id = name.includes('/')
      ? ('ab:EIW6Qe0ARnWrsJZTsHWada' as const)
      : ('hcsp:/PtPvXYJSQsqwTJpPGjwog' as const);
    const nowMs = Date.now() - agedDays * 86_400_000;
    return issueForKey(home.authority, { spki: key.value.spki, id, name, nowMs, days });
  };

  it('keep one key for a name, which only its owner can read', async () => {
    const [first, second] = [await certify('nuc'), await certify('nuc')];
    expect(await certificates.store('nuc', first)).toBeUndefined();
    expect(await certificates.store('nuc', second)).toBeUndefined();
    expect((await certificates.identity('nuc'))?.leaf.name).toBe('nuc');
    expect((await stat(certificates.ownKey)).mode & 0o777).toBe(0o600);
    expect(await certificates.key('nuc')).toBe(await readFile(certificates.ownKey, 'utf8'));
  });

  it('refuse a certificate of another key or name', async () => {
    const foreign = (await home.server('nuc')).certificatePem;
    const other = await certify('nuc');
    await certificates.key('cams/door');
    for (const [name, pem] of [
      ['nuc', foreign],
      ['cams/door', other],
      ['nuc', 'garbage'],
    ] as const) {
      expect(await certificates.store(name, pem)).toContain('not for our key and name');
    }
    expect(await certificates.identity('nuc')).toBeUndefined();
  });

  it('are due with a third of their life left, and told with the anchor that signed them', async () => {
    await certificates.store('nuc', await certify('nuc', 30, 19));
    await certificates.store('cams/door', await certify('cams/door', 30, 21));
    const held = await certificates.held(['nuc', 'cams/door', 'cams/gate'], home.trust, Date.now());
    expect(held.map(({ name, isDue, anchorSha256 }) => [name, isDue, anchorSha256])).toEqual([
      ['nuc', false, anchor?.sha256],
      ['cams/door', true, anchor?.sha256],
    ]);
    const [unknown] = await certificates.held(['nuc'], undefined, Date.now());
    expect(unknown?.anchorSha256).toBe('');
  });

  it('are linked for the cameras that run, by the last part of the name, and forgotten with their keys', async () => {
    for (const name of ['cams/door', 'lab/door', 'cams/gate'])
      await certificates.store(name, await certify(name));
    await certificates.link(['cams/door', 'cams/gate']);
    const target = () => readlink(path.join(certificates.clients, 'door.crt'));
    expect(await target()).toBe('../cameras/cams/door.crt');
    await certificates.link(['lab/door']);
    expect(await target()).toBe('../cameras/lab/door.crt');
    await certificates.prune(['lab/door']);
    expect(await readdir(path.join(root, 'cameras/cams'))).toEqual([]);
    expect(await readdir(certificates.clients)).toEqual(['door.crt', 'door.key']);
  });

  it.each(['../../etc/passwd', 'cams/../own', 'cams/a/b', '/door', 'cams/', 'Cams/door'])(
    'have no place for %s',
    async (name) => {
      await expect(certificates.request(name)).rejects.toThrow('no name of a camera');
    },
  );
});
