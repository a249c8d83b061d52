import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createAuthority, issueServer, type KeyedCertificate } from '../../protocol/issuing.ts';
import { openClusterHome, reasonOf, type ClusterHome } from '../support/cluster-home.ts';
import { describeWith } from '../support/needs.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const decode = (text: unknown) => Buffer.from(String(text), 'base64').toString('utf8');

describeWith(['go', 'openssl'], 'trust of a home on a real API server', () => {
  let home: ClusterHome;
  let next: KeyedCertificate;

  beforeAll(async () => {
    next = await createAuthority({ nowMs: Date.now() });
    home = await openClusterHome();
    await home.startOperator();
    await home.addServer('pi', { features: ['record'] });
    await home.addServer('nuc', { features: ['record', 'gpu'] });
    await home.startAgent('pi');
    await home.startAgent('nuc');
    await home.camera('door', { source: { test: {} }, bridge: { servers: ['pi'] } });
    await home.until('cameraclient', 'door', ({ status }) => status?.['server'] === 'nuc');
  });
  afterAll(async () => {
    await home.close();
  });

  const bundle = async (name: string, spec: object) =>
    home.apply({ apiVersion: 'homing.dev/v1alpha1', kind: 'TrustBundle', metadata: { name }, spec });
  const trust = async () => {
    const { data } = JSON.parse(
      await home.kubectl('-n', 'homing-system', 'get', 'secret', 'homing-trust', '-o', 'json'),
    );
    return {
      anchors: decode(data['ca.crt']),
      denied: decode(data['deny.txt']),
      revision: Number(decode(data['revision'])),
    };
  };
  const count = (text: string) => text.split('BEGIN CERTIFICATE').length - 1;
  const dropped = () =>
    [...home.agents.values()].flatMap((agent) =>
      agent.events.filter(({ event }) => event === 'unlinked' || event === 'disconnected'),
    );

  it('goes from one CA to the next by resources only, and no session drops', async () => {
    const first = await trust();
    expect([count(first.anchors), first.denied]).toEqual([1, '']);
    await bundle('home', { sources: [{ inline: first.anchors }, { inline: next.certificatePem }] });
    const both = await home.until(
      'trustbundle',
      'home',
      ({ status }) => status?.['synced'] === '2/2' && status['anchorCount'] === 2,
    );
    expect(reasonOf(both, 'Ready')).toBe('Trusted');
    const data = { 'tls.crt': base64(next.certificatePem), 'tls.key': base64(next.keyPem) };
    await home.kubectl(
      '-n',
      'homing-system',
      'patch',
      'secret',
      'homing-ca',
      '--type=merge',
      '-p',
      JSON.stringify({ data }),
    );
    const renewed = await home.until('trustbundle', 'home', ({ status }) => {
      const uses = status?.['anchors'];
      return JSON.stringify(uses).split('"uses":3').length === 3;
    });
    expect(JSON.stringify(renewed.status)).not.toContain('"safeToRemove":true');
    await bundle('home', { sources: [{ inline: next.certificatePem }] });
    const kept = await home.untilReason('trustbundle', 'home', 'Ready', 'Retained');
    expect(JSON.stringify(kept.status)).toMatch(/"retainedUntil":"20/);
    await home.until(
      'trustbundle',
      'home',
      ({ status }) => status?.['synced'] === '2/2' && status['anchorCount'] === 1,
    );
    expect(count((await trust()).anchors)).toBe(2);
    await sleep(3000);
    expect(dropped()).toEqual([]);
    const door = await home.get('cameraclient', 'door');
    expect([reasonOf(door, 'Ready'), door.status?.['framesLost']]).toEqual(['Streaming', 0]);
  });

  it('denies at once what is denied, on live sessions', async () => {
    const nuc = await home.get('homeserver', 'nuc');
    await bundle('out', { deny: [{ identifier: nuc.status?.['identifier'] }] });
    const door = await home.until('cameraclient', 'door', ({ status }) => status?.['server'] === 'pi');
    expect(door.status?.['framesLost']).toBe(0);
    await expect
      .poll(async () => (await trust()).denied, { timeout: 20_000 })
      .toContain(nuc.status?.['identifier']);
    await home.kubectl('delete', 'trustbundle', 'out');
    await home.until('cameraclient', 'door', ({ status }) => status?.['server'] === 'nuc');
  });

  it('denies the key of a camera that was deleted, and of nothing else', async () => {
    await home.camera('gate', { source: { test: {} }, bridge: { servers: ['pi'] } });
    await home.untilReason('cameraclient', 'gate', 'Ready', 'Streaming');
    await expect.poll(async () => (await trust()).denied, { timeout: 20_000 }).toBe('');
    await home.kubectl('-n', 'cams', 'delete', 'cameraclient', 'gate');
    await expect.poll(async () => (await trust()).denied, { timeout: 20_000 }).toMatch(/^[0-9a-f]{64}\n$/);
    const door = await home.get('cameraclient', 'door');
    expect(reasonOf(door, 'Ready')).toBe('Streaming');
  });

  it('refuses a private key in a bundle and names it; what was trusted stays', async () => {
    const before = await trust();
    await home.kubectl(
      '-n',
      'homing-system',
      'create',
      'configmap',
      'leak',
      `--from-literal=ca.crt=${next.certificatePem}${next.keyPem}`,
    );
    await bundle('leak', { sources: [{ configMap: { name: 'leak' } }] });
    const leak = await home.untilReason('trustbundle', 'leak', 'Ready', 'PrivateKey');
    expect(JSON.stringify(leak.status)).toContain('treat that key as leaked');
    expect((await trust()).anchors).toBe(before.anchors);
    await home.kubectl('delete', 'trustbundle', 'leak');
  });

  it('starts without its CA never with another one: it says so, and goes on when the CA is back', async () => {
    await home.operator?.stop('end');
    const secret = JSON.parse(
      await home.kubectl('-n', 'homing-system', 'get', 'secret', 'homing-ca', '-o', 'json'),
    );
    await home.kubectl('-n', 'homing-system', 'delete', 'secret', 'homing-ca');
    const starting = home.startOperator();
    await expect
      .poll(
        () => home.events.filter((event) => event.event === 'warning' && event.reason === 'CAMissing').length,
        {
          timeout: 20_000,
        },
      )
      .toBe(1);
    await home.untilReason('trustbundle', 'home', 'Ready', 'CAMissing');
    const { type, data } = secret;
    const metadata = { name: 'homing-ca', namespace: 'homing-system' };
    await home.apply({ apiVersion: 'v1', kind: 'Secret', metadata, type, data });
    await starting;
    await home.untilReason('homeserver', 'pi', 'Ready', 'AgentReady');
    expect(
      await home.kubectl(
        '-n',
        'homing-system',
        'get',
        'secret',
        'homing-ca',
        '-o',
        String.raw`jsonpath={.data.tls\.crt}`,
      ),
    ).toBe(data['tls.crt']);
    await home.untilReason('trustbundle', 'home', 'Ready', 'Retained');
  });

  it('says while it runs what is wrong with the CA’s Secret, and goes on with the CA it had', async () => {
    const system = ['-n', 'homing-system'];
    const { type, data } = JSON.parse(
      await home.kubectl(...system, 'get', 'secret', 'homing-ca', '-o', 'json'),
    );
    const before = await trust();
    const droppedBefore = dropped().length;
    const put = async (values: object) =>
      home.kubectl(
        ...system,
        'patch',
        'secret',
        'homing-ca',
        '--type=merge',
        '-p',
        JSON.stringify({ data: values }),
      );
    const other = await createAuthority({ nowMs: Date.now() });
    await put({ 'tls.key': base64(other.keyPem) });
    await home.untilReason('trustbundle', 'home', 'Ready', 'CAInvalid');
    const leaf = await issueServer(other, { id: `hcsp:${'L'.repeat(22)}`, name: 'leaf', nowMs: Date.now() });
    await put({ 'tls.crt': base64(leaf.certificatePem), 'tls.key': base64(leaf.keyPem) });
    await home.untilReason('trustbundle', 'home', 'Ready', 'CANotSelfSigned');
    await home.kubectl(...system, 'delete', 'secret', 'homing-ca');
    await home.untilReason('trustbundle', 'home', 'Ready', 'CAMissing');
    expect(await trust()).toEqual(before);
    await home.apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'homing-ca', namespace: 'homing-system' },
      type,
      data,
    });
    await home.untilReason('trustbundle', 'home', 'Ready', 'Retained');
    expect(dropped().length).toBe(droppedBefore);
  });

  it('puts the trust set back where somebody deletes or changes its Secret, with the same revision', async () => {
    const before = await trust();
    await home.kubectl('-n', 'homing-system', 'delete', 'secret', 'homing-trust');
    await expect.poll(async () => trust().catch(() => undefined), { timeout: 20_000 }).toEqual(before);
    const data = { 'ca.crt': base64(next.certificatePem), 'deny.txt': base64('') };
    await home.kubectl(
      '-n',
      'homing-system',
      'patch',
      'secret',
      'homing-trust',
      '--type=merge',
      '-p',
      JSON.stringify({ data }),
    );
    await expect.poll(async () => trust(), { timeout: 20_000 }).toEqual(before);
  });
});
