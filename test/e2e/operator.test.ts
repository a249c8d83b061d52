import { execFile } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openClusterHome, reasonOf, type ClusterHome } from '../support/cluster-home.ts';
import { kubernetesBinaries } from '../support/helm.ts';
import { describeWith } from '../support/needs.ts';
import { runHoming } from '../support/agent-process.ts';

describeWith(['go', 'openssl'], 'a home on a real API server', () => {
  let home: ClusterHome;

  beforeAll(async () => {
    home = await openClusterHome();
    await home.startOperator();
  });
  afterAll(async () => {
    await home.close();
  });

  it('has a server that is Ready as soon as its agent reports, and says so to kubectl', async () => {
    await home.addServer('pi', { features: ['record'] });
    await home.untilReason('homeserver', 'pi', 'Ready', 'AgentNeverSeen');
    await home.startAgent('pi');
    const pi = await home.untilReason('homeserver', 'pi', 'Ready', 'AgentReady');
    expect(pi.status).toMatchObject({
      clients: 0,
      max: 16,
      level: 1,
      rank: 1,
      features: ['record'],
      observedGeneration: 1,
    });
    const managers = pi.metadata.managedFields?.filter(({ subresource }) => subresource === 'status');
    expect(managers?.map(({ manager }) => manager)).toEqual(['homing-operator']);
    expect(await home.kubectl('get', 'homeservers')).toMatch(
      /pi +True +0 +16 +1 +1 +0\/0 +best: the only one/,
    );
  });

  it('has a camera that streams, with a bridge that the operator chose and wrote down', async () => {
    await home.camera('door', { source: { test: {} } });
    const door = await home.untilReason('cameraclient', 'door', 'Ready', 'Streaming');
    expect(door.status).toMatchObject({ server: 'pi', bridge: 'pi', media: 'video/mp2t', framesLost: 0 });
  });

  it('moves the camera to a better server, and status and one Event say so', async () => {
    await home.addServer('nuc', { features: ['record', 'gpu'] });
    await home.startAgent('nuc');
    const door = await home.until('cameraclient', 'door', ({ status }) => status?.['server'] === 'nuc');
    expect(door.status).toMatchObject({
      bridge: 'pi',
      handovers: 1,
      framesLost: 0,
      lastHandover: { from: 'pi', to: 'nuc', reason: 'rank' },
    });
    const nuc = await home.until('homeserver', 'nuc', ({ status }) => status?.['clients'] === 1);
    expect(nuc.status).toMatchObject({ rank: 1, selection: { best: 'nuc' } });
    await home.until('homeserver', 'pi', ({ status }) => status?.['heardBy'] === '1/1');
    const table = await home.kubectl('get', 'homeservers');
    expect(table).toMatch(/nuc .*best: level 2 \(record\+gpu\) against 1 \(record\) of pi/);
    expect(table).toMatch(/pi .*nuc is best: level 2 \(record\+gpu\) against 1 \(record\)/);
    await expect
      .poll(() => home.kubectl('describe', 'homeserver', 'nuc'), { timeout: 15_000 })
      .toContain('cams/door moved from pi to nuc: level 2 (record+gpu) against 1 (record)');
  });

  it('is shown on one page, and explained, with nothing but the right to read our kinds', async () => {
    const kubeconfig = await readerOf(home);
    const page = await runHoming('status', '--kubeconfig', kubeconfig);
    expect(page.stdout).toContain('SERVERS, best first');
    expect(page.stdout).toMatch(/1\. {2}nuc {2}AgentReady/);
    expect(page.stdout).toMatch(/cams\/door {2}→ nuc {2}Streaming/);
    const plan = await runHoming('rank', '--kubeconfig', kubeconfig, '--json');
    expect(JSON.parse(plan.stdout)).toMatchObject({ clients: [{ name: 'cams/door', server: 'nuc' }] });
    expect([page.code, plan.code]).toEqual([0, 0]);
  });

  it('is shown by kubectl homing too, where kubectl-homing is on PATH', async () => {
    const binaries = await kubernetesBinaries();
    const plugins = path.join(home.directory, 'plugins');
    await mkdir(plugins);
    await symlink(path.join(import.meta.dirname, '../../bin/homing'), path.join(plugins, 'kubectl-homing'));
    const env = {
      ...process.env,
      PATH: `${plugins}:${process.env['PATH']}`,
      KUBECONFIG: home.plane.kubeconfigPath,
    };
    const { stdout } = await promisify(execFile)(path.join(binaries, 'kubectl'), ['homing', 'status'], {
      env,
    });
    expect(stdout).toMatch(/cams\/door {2}→ nuc {2}Streaming/);
  });

  it('is drained by a cordon: Drained comes true when the camera is elsewhere', async () => {
    await home.kubectl('cordon', 'nuc');
    await home.kubectl('wait', '--for=condition=Drained', 'homeserver/nuc', '--timeout=40s');
    const door = await home.until('cameraclient', 'door', ({ status }) => status?.['server'] === 'pi');
    expect(door.status).toMatchObject({ framesLost: 0, lastHandover: { reason: 'drain' } });
    await home.kubectl('uncordon', 'nuc');
    await home.untilReason('homeserver', 'nuc', 'Drained', 'NotDraining');
  });

  it('says that an agent is lost after half a minute, and that it is back at once', async () => {
    await home.agents.get('nuc')?.end('SIGKILL');
    const nuc = await home.untilReason('homeserver', 'nuc', 'Ready', 'AgentLost');
    expect(nuc.status).not.toHaveProperty('rank');
    await home.startAgent('nuc');
    await home.untilReason('homeserver', 'nuc', 'Ready', 'AgentReady');
  });

  it('writes nothing when the operator is killed and another takes its place', async () => {
    await settle(home);
    const before = await versions(home);
    await home.operator?.stop('killed by the test');
    const time = new Date().toISOString();
    await home.startOperator();
    await home.until('homeserver', 'pi', () => true);
    await sleep(6000);
    expect(await home.writesSince(time)).toEqual([expect.stringContaining('/leases/homing-operator')]);
    expect(await versions(home)).toEqual(before);
  });

  it('writes nothing while nothing happens, for a minute', async () => {
    await settle(home);
    const time = new Date().toISOString();
    await sleep(60_000);
    expect(await home.writesSince(time)).toEqual([]);
    const metrics = await fetch(`http://127.0.0.1:${home.operator?.metricsPort}/metrics`);
    expect(await metrics.text()).toContain('homing_operator_sessions 2');
  });

  it('says of each wrong resource what to do, and nothing else suffers', async () => {
    await home.homeServer('attic', {});
    await home.homeServer('shed', { external: { address: 'shed.lan:17320' } });
    await home.camera('bridgeless', { source: { test: {} }, bridge: { servers: ['hut'] } });
    await home.camera('secretless', {
      source: { rtsp: { url: 'rtsp://127.0.0.1:1/x' }, credentialsRef: { name: 'none' } },
    });
    await home.kubectl('-n', 'cams', 'create', 'secret', 'generic', 'half', '--from-literal=username=u');
    await home.camera('half', {
      source: { rtsp: { url: 'rtsp://127.0.0.1:1/x' }, credentialsRef: { name: 'half' } },
    });
    await home.camera('picky', { source: { test: {} }, selection: { requires: ['quantum'] } });
    await home.camera('native', { source: { native: {} } });
    await home.camera('rtmp', { source: { rtmp: {} } });
    const pinned = { external: { publicKey: `sha256:${'a'.repeat(64)}` } };
    await home.homeServer('first', pinned);
    // Times of creation are whole seconds.
    await sleep(1100);
    await home.camera('second', { source: { native: { publicKey: pinned.external.publicKey } } });
    await home.camera('twin', { source: { native: {} }, identifier: 'B'.repeat(22) });
    await sleep(1100);
    await home.camera('younger-twin', { source: { native: {} }, identifier: 'B'.repeat(22) });
    await home.camera('off', { source: { test: {} }, suspend: true });
    const expected: readonly (readonly [string, string, string, string])[] = [
      ['homeserver', 'attic', 'NodeNotFound', 'There is no node called attic'],
      ['homeserver', 'shed', 'AgentNeverSeen', 'homing agent --operator'],
      ['cameraclient', 'bridgeless', 'BridgeNotFound', 'No HomeServer is called hut'],
      ['cameraclient', 'secretless', 'SecretNotFound', 'Secret cams/none'],
      ['cameraclient', 'half', 'SecretIncomplete', 'Secret cams/half'],
      ['cameraclient', 'picky', 'NotPlaced', 'quantum'],
      ['cameraclient', 'native', 'NeverSeen', 'homing connect'],
      ['cameraclient', 'off', 'Suspended', 'suspended'],
      ['cameraclient', 'rtmp', 'BridgeRefused', 'this version cannot open it'],
      ['cameraclient', 'second', 'DuplicateKey', 'HomeServer first'],
      ['cameraclient', 'younger-twin', 'DuplicateIdentifier', 'CameraClient cams/twin'],
    ];
    for (const [kind, name, reason, message] of expected) {
      const found = await home.untilReason(kind, name, 'Ready', reason);
      expect(found.status?.conditions?.find(({ type }) => type === 'Ready')?.message).toContain(message);
    }
    const door = await home.get('cameraclient', 'door');
    expect([reasonOf(door, 'Ready'), door.status?.['framesLost']]).toEqual(['Streaming', 0]);
  });
});

/** A user who may read our three kinds and nothing else. */
async function readerOf(home: ClusterHome): Promise<string> {
  const kinds = 'homeservers.homing.dev,cameraclients.homing.dev,trustbundles.homing.dev';
  await home.kubectl('create', 'clusterrole', 'reader', '--verb=get,list,watch', `--resource=${kinds}`);
  await home.kubectl('create', 'clusterrolebinding', 'reader', '--clusterrole=reader', '--user=reader');
  return home.plane.kubeconfigFor({ user: 'reader' });
}

/** Waits until nobody has written anything for five seconds. */
async function settle(home: ClusterHome): Promise<void> {
  for (;;) {
    const time = new Date().toISOString();
    await sleep(5000);
    if ((await home.writesSince(time)).length === 0) return;
  }
}

async function versions(home: ClusterHome): Promise<readonly string[]> {
  const found = await Promise.all([
    home.get('homeserver', 'pi'),
    home.get('homeserver', 'nuc'),
    home.get('cameraclient', 'door'),
  ]);
  return found.map(({ metadata }) => metadata.resourceVersion);
}
