import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Identity } from '../../tls/identity.ts';
import { mintHome } from '../support/certificates.ts';
import { LiveHome } from '../support/live-home.ts';

let home: LiveHome;

beforeEach(async () => {
  home = await LiveHome.open();
});
afterEach(async () => home.close());

/** Far above what anything here takes, and far below the 50 s that a shutdown may take. */
const atOnceMs = 25_000;
const dayMs = 86_400_000;

describe('draining', () => {
  it('moves a camera away where it can go, keeps it where it cannot, and ends at once where nobody can take it', async () => {
    await home.addServer('pi');
    await home.addServer('nuc', { features: ['record', 'gpu'] });
    await home.addBridge('shed', ['door']);
    const pi = await home.start('pi');
    const shed = await home.start('shed');
    await shed.until('connected', ({ to }) => to === 'pi');

    await home.writeServer('pi', { max: 0 });
    await pi.until('announced', ({ max }) => max === 0);
    const { server } = await home.status('pi');
    expect(server).toMatchObject({ isDraining: true, max: 0, connected: 1 });
    expect(server?.clients[0]?.why).toMatch(/^cannot stay \(drain\), and nobody else can take it/);
    expect(pi.of('left')).toEqual([]);

    const nuc = await home.start('nuc');
    const [drained] = await shed.until('handedOver', ({ to }) => to === 'nuc');
    expect(drained).toMatchObject({ from: 'pi', reason: 'drain', framesLost: 0 });

    // Nobody but a drained server is left: nuc does not wait for a miracle.
    const alone = performance.now();
    expect(await nuc.end('SIGTERM')).toBe(0);
    expect(performance.now() - alone).toBeLessThan(atOnceMs);
    await shed.until('disconnected', ({ from, reason }) => from === 'nuc' && reason === 'bye stopped');
    expect(shed.of('connected').filter(({ to }) => to === 'pi')).toHaveLength(1);

    await home.writeServer('pi', { max: 4 });
    await shed.until('connected', ({ to }) => to === 'pi', 2);

    const back = await home.start('nuc');
    await shed.until('handedOver', ({ to }) => to === 'nuc', 2);
    const leaving = performance.now();
    back.signal('SIGTERM');
    const [away] = await shed.until('handedOver', ({ from, reason }) => from === 'nuc' && reason === 'drain');
    expect(away).toMatchObject({ to: 'pi', framesLost: 0 });
    expect(await back.ended).toBe(0);
    expect(performance.now() - leaving).toBeLessThan(atOnceMs);
    expect(back.of('left').at(-1)?.reason).not.toBe('stopped');
    await home.expectNothingLost();
  });
});

describe('resource files', () => {
  it('apply while the agent runs; a wrong one is said by event and status, and what held goes on', async () => {
    await home.addServer('pi');
    await home.addBridge('shed', ['door']);
    await home.writeIdentity('shed', 'yard', await home.certificates.client('default/yard'));
    const pi = await home.start('pi');
    const shed = await home.start('shed');
    await shed.until('connected');

    await home.write('shed', 'more.yaml', 'kind: CameraClient\nspec: {sauce: x}\n');
    const [refused] = await shed.until('warning', ({ reason }) => reason === 'ConfigurationRefused');
    expect(refused?.message).toMatch(/more\.yaml:\d.*\n(.*\n)*What was configured before goes on\.$/);
    expect((await home.status('shed')).configuration).toMatchObject({ isCurrent: false });

    await home.write('shed', 'more.yaml', '');
    await home.writeCameras('shed', ['door', 'yard']);
    await shed.until('configured', ({ clients }) => clients === 2);
    await shed.until('connected', ({ client }) => client === 'default/yard');
    const { configuration, cameras } = await home.status('shed');
    expect(configuration).not.toHaveProperty('problem');
    expect(cameras.map(({ name, handovers }) => [name, handovers])).toEqual([
      ['default/door', 0],
      ['default/yard', 0],
    ]);
    expect(shed.of('connected').filter(({ client }) => client === 'default/door')).toHaveLength(1);

    await home.writeServer('pi', { max: 2, features: ['record', 'gpu'] });
    await pi.until('announced', ({ max, features }) => max === 2 && features.includes('gpu'));
    expect(pi.of('left')).toEqual([]);
    await home.expectNothingLost();
  });
});

describe('certificates', () => {
  it('are taken when they are renewed, by a handover to the same server, and warned of when they run out', async () => {
    await home.addServer('pi');
    await home.addBridge('shed', ['door']);
    const pi = await home.start('pi');
    const shed = await home.start('shed');
    await shed.until('connected');

    await home.writeIdentity('shed', 'door', await home.renew('door'));
    const [renewed] = await shed.until('handedOver');
    expect(renewed).toMatchObject({ from: 'pi', to: 'pi', reason: 'renewed', framesLost: 0 });

    const old = await home.renew('pi', { days: 100, nowMs: Date.now() - 80 * dayMs });
    await home.writeIdentity('pi', 'pi', old);
    const [warning] = await pi.until('warning', ({ reason }) => reason === 'CertificateExpiry');
    expect(warning?.message).toMatch(/^the certificate of pi runs out in (19|20) days/);
    expect(await shownCertificate(home.portOf('pi'))).toEqual(Buffer.from(old.certificateDer));
    expect((await home.status('pi')).certificates).toMatchObject([{ name: 'pi', isRunningOut: true }]);

    const another = await home.certificates.server('pi');
    await home.writeIdentity('pi', 'pi', another);
    await pi.until('warning', ({ reason }) => reason === 'RestartNeeded');
    expect(await shownCertificate(home.portOf('pi'))).toEqual(Buffer.from(old.certificateDer));
    expect(pi.of('left')).toEqual([]);
    await home.expectNothingLost();
  });
});

describe('a server’s certificate that runs out in a session', () => {
  const runsOutIn = (ms: number) => home.renew('pi', { days: 1, nowMs: Date.now() - dayMs + ms });
  const givePi = async (identity: Identity): Promise<void> => {
    await home.writeIdentity('pi', 'pi', identity);
    await expect
      .poll(() => shownCertificate(home.portOf('pi')), { timeout: 20_000 })
      .toEqual(Buffer.from(identity.certificateDer));
  };
  /** The trust set changes, and all are looked at again, as they are each hour. */
  const lookAgain = (line: string) => home.writeTrust('shed', 'deny.txt', `${line}\n`);

  it('is left for its renewed one by a handover, or, once it has run out, by a replay; nothing is lost', async () => {
    await home.addServer('pi');
    await home.addBridge('shed', ['door']);
    await home.writeIdentity('pi', 'pi', await runsOutIn(3_600_000));
    await home.start('pi');
    const shed = await home.start('shed');
    await shed.until('connected');
    await givePi(await home.renew('pi'));
    await lookAgain('ab:AAAAAAAAAAAAAAAAAAAAAA');
    const [renewed] = await shed.until('handedOver');
    expect(renewed).toMatchObject({ from: 'pi', to: 'pi', reason: 'renewed', framesLost: 0 });
    expect(shed.of('disconnected')).toEqual([]);

    // Long enough for it to be read and handed over to.
    const lifeMs = 15_000;
    const lastMs = Date.now() + lifeMs;
    await givePi(await runsOutIn(lifeMs));
    await home.writeIdentity('shed', 'door', await home.renew('door'));
    await shed.until('handedOver', () => true, 2);
    await givePi(await home.renew('pi'));
    await sleep(Math.max(0, lastMs + 1000 - Date.now()));
    await lookAgain('ab:BBBBBBBBBBBBBBBBBBBBBB');
    const [lost] = await shed.until('disconnected');
    expect(lost).toMatchObject({ from: 'pi', reason: expect.stringContaining('untrusted') });
    await shed.until('handedOver', () => true, 3);
    await home.expectNothingLost();
  });
});

/** What a server shows to whoever calls. */
async function shownCertificate(port: number): Promise<Buffer | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['hosp/1'] });
  socket.once('secureConnect', () => resolve(socket.getPeerX509Certificate()?.raw)).once('error', reject);
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

describe('the trust set', () => {
  it('cuts off who is denied, lets in whose CA is added, sends away whose CA is removed; others stay untouched', async () => {
    const other = await mintHome();
    await home.addServer('pi');
    await home.addBridge('shed', ['door', 'yard', 'porch']);
    await home.addBridge('annex', ['gate'], other);
    const pi = await home.start('pi');
    const shed = await home.start('shed');
    await shed.until('connected', () => true, 3);

    const deny = async (line: string, client: string): Promise<number> => {
      const before = pi.of('left').length;
      const writtenAtMs = Date.now();
      await home.writeTrust('pi', 'deny.txt', line);
      const left = (await pi.until('left', () => true, before + 1)).at(-1);
      expect(left).toMatchObject({ client, reason: 'bye untrusted' });
      return Date.parse(left?.time ?? '') - writtenAtMs;
    };
    const byKeyMs = await deny(`${home.identityOf('door').leaf.spkiSha256}\n`, 'default/door');
    await shed.until('disconnected', ({ client }) => client === 'default/door');
    const byIdMs = await deny(`${home.identityOf('yard').leaf.id}\n`, 'default/yard');
    console.log(`cut off after ${byKeyMs} ms (key denied), ${byIdMs} ms (identifier denied)`);
    expect(Math.max(byKeyMs, byIdMs)).toBeLessThan(atOnceMs);
    await home.writeTrust('pi', 'deny.txt', '');
    await shed.until('connected', ({ client }) => client === 'default/door', 2);
    await shed.until('connected', ({ client }) => client === 'default/yard', 2);

    // What is wrong beside it does not keep anybody from being denied.
    const bundle = 'apiVersion: homing.dev/v1alpha1\nkind: TrustBundle\nmetadata: {name: home}\n';
    const { id } = home.identityOf('yard').leaf;
    await home.write('pi', 'wrong.yaml', 'kind: HomeServer\n');
    await home.write('pi', 'trust.yaml', `${bundle}spec: {deny: [{identifier: "${id}"}]}\n`);
    await pi.until('left', ({ client }) => client === 'default/yard', 2);
    expect(pi.of('warning').map(({ reason }) => reason)).toContain('ConfigurationRefused');
    await home.write('pi', 'wrong.yaml', '');
    await home.write('pi', 'trust.yaml', '');
    await shed.until('connected', ({ client }) => client === 'default/yard', 3);

    const annex = await home.start('annex');
    await pi.until('dropped', ({ reason }) => reason === 'unknown-ca');
    expect(annex.of('connected')).toEqual([]);
    const own = home.certificates.authority.certificatePem;
    const both = `${own}\n${other.authority.certificatePem}`;
    await home.writeTrust('pi', 'ca.crt', both);
    await annex.until('connected');
    await home.writeTrust('pi', 'ca.crt', own);
    await annex.until('disconnected', ({ reason }) => reason === 'bye untrusted');
    await home.writeTrust('pi', 'ca.crt', both);
    await annex.until('connected', () => true, 2);

    expect(pi.of('left').filter(({ client }) => client === 'default/porch')).toEqual([]);
    expect(shed.of('connected').filter(({ client }) => client === 'default/porch')).toHaveLength(1);
    await home.expectNothingLost();
  });
});
