import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OperatorTrust } from '../../../agent/control/operator-trust.ts';
import { mintHome } from '../../support/certificates.ts';

const [one, two] = [await mintHome(), await mintHome()];
const texts = (revision: number, home = one, denyText = '') => ({
  revision,
  anchorsPem: home.authority.certificatePem,
  denyText,
});

describe('the trust set of an agent', () => {
  let folder = '';
  const problems: string[] = [];
  const opened: OperatorTrust[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'homing-trust-'));
    await Promise.all(['own', 'mounted'].map((name) => mkdir(path.join(folder, name))));
    problems.length = 0;
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((trust) => trust.close()));
    await rm(folder, { recursive: true, force: true });
  });

  const open = async (mounted?: string): Promise<OperatorTrust> => {
    const trust = new OperatorTrust(path.join(folder, 'own'), mounted, (problem) => problems.push(problem));
    opened.push(trust);
    await trust.open();
    return trust;
  };
  const mount = async ({ revision, anchorsPem, denyText }: ReturnType<typeof texts>): Promise<string> => {
    const mounted = path.join(folder, 'mounted');
    await writeFile(path.join(mounted, 'ca.crt'), anchorsPem);
    await writeFile(path.join(mounted, 'deny.txt'), denyText);
    await writeFile(path.join(mounted, 'revision'), `${revision}\n`);
    return mounted;
  };
  const own = (name: string) => readFile(path.join(folder, 'own', name), 'utf8');

  it('is what came with the highest revision, over a restart too', async () => {
    const trust = await open();
    expect([trust.revision, trust.set]).toEqual([0, undefined]);
    await trust.take(texts(5, two));
    await trust.take(texts(4, one));
    expect([trust.revision, await own('ca.crt')]).toEqual([5, two.authority.certificatePem]);
    const again = await open();
    expect([again.revision, again.set?.anchors[0]?.sha256]).toEqual([5, two.trust.anchors[0]?.sha256]);
    await again.take(texts(5, one));
    expect(again.set?.anchors[0]?.sha256).toBe(two.trust.anchors[0]?.sha256);
  });

  it('takes a mounted folder where that is higher, when it changes too', async () => {
    const trust = await open(await mount(texts(7, one)));
    expect(trust.revision).toBe(7);
    await trust.take(texts(9, two));
    await mount(texts(8, one));
    await mount(texts(10, one, `${'a'.repeat(64)}\n`));
    await expect.poll(() => trust.revision, { timeout: 10_000 }).toBe(10);
    expect(trust.set?.deniedKeys.size).toBe(1);
    await expect.poll(() => own('revision')).toBe('10\n');
  });

  it('stays as it is where a newer one cannot be read, and says so', async () => {
    const trust = await open();
    await trust.take(texts(1));
    for (const wrong of ['', one.authority.keyPem, 'garbage']) {
      await trust.take({ revision: 2, anchorsPem: wrong, denyText: '' });
    }
    expect([trust.revision, await own('ca.crt')]).toEqual([1, one.authority.certificatePem]);
    expect(problems).toHaveLength(3);
    expect(problems.join()).not.toContain('PRIVATE KEY-----');
  });

  it('is united with a given CA for calls to the operator, and what it denies stays denied', async () => {
    const trust = await open();
    expect(trust.with(undefined)).toBeUndefined();
    expect(trust.with(one.authority.certificatePem)?.anchors).toHaveLength(1);
    await trust.take(texts(1, two, `${'a'.repeat(64)}\n`));
    const both = trust.with(one.authority.certificatePem);
    expect([both?.anchors.length, both?.deniedKeys.size]).toEqual([2, 1]);
  });
});
