import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { operatorName, systemNamespace } from '../../crds/cluster.ts';
import { runHoming } from '../support/agent-process.ts';
import { type ClusterHome, openClusterHome, reasonOf } from '../support/cluster-home.ts';
import { kubernetesBinaries, template } from '../support/helm.ts';
import { describeWith } from '../support/needs.ts';

let home: ClusterHome;

/** A kubeconfig that says who it is by a service account's token, as in a pod. */
async function kubeconfigOf(serviceAccount: string): Promise<string> {
  const token = (
    await home.kubectl('--namespace', systemNamespace, 'create', 'token', serviceAccount)
  ).trim();
  const admin = JSON.parse(await home.kubectl('config', 'view', '--raw', '--output=json'));
  const config = { ...admin, users: [{ name: 'u', user: { token } }] };
  const file = path.join(home.directory, `${serviceAccount}.kubeconfig`);
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}

const userOf = (serviceAccount: string) => `system:serviceaccount:${systemNamespace}:${serviceAccount}`;

/** `403 verb resource` of each request of theirs that was refused. */
async function refusedTo(serviceAccount: string): Promise<readonly string[]> {
  const log = await home.plane.auditLog();
  return log
    .filter(
      ({ user, responseStatus }) => user.username === userOf(serviceAccount) && responseStatus?.code === 403,
    )
    .map(({ verb, requestURI }) => `403 ${verb} ${requestURI}`);
}

describeWith(['go', 'openssl'], 'the rights that the chart gives', () => {
  beforeAll(async () => {
    await kubernetesBinaries();
    home = await openClusterHome();
    const wanted = new Set([
      'ServiceAccount',
      'ClusterRole',
      'ClusterRoleBinding',
      'Role',
      'RoleBinding',
      'Lease',
      'Secret',
    ]);
    for (const manifest of (await template()).filter(({ kind }) => wanted.has(kind))) {
      const { value } = manifest;
      if (typeof value === 'object' && value !== null) await home.apply(value);
    }
    await home.startOperator(await kubeconfigOf(operatorName));
  }, 1_200_000);

  afterAll(async () => {
    await home.close();
  });

  it('are enough for an operator: servers enrol, one of them by being a node only, and a camera moves', async () => {
    await home.addServer('nuc', { features: ['record', 'gpu'] });
    await home.addServer('pi', { features: ['record'] });
    await home.startAgent('pi');
    await home.kubectl(
      '--namespace',
      'cams',
      'create',
      'secret',
      'generic',
      'door',
      '--from-literal=username=u',
      '--from-literal=password=p',
    );
    await home.camera('door', {
      source: { rtsp: { url: 'rtsp://127.0.0.1:1/x' }, credentialsRef: { name: 'door' } },
    });
    await home.camera('yard', { source: { test: {} } });
    await home.untilReason('cameraclient', 'yard', 'Ready', 'Streaming');
    // Its Secret was read: without the right to, the operator would say SecretUnreadable. Where it goes from there is its agent's.
    await home.until('cameraclient', 'door', (door) =>
      ['BridgeRefused', 'SourceNotReady'].includes(reasonOf(door, 'Ready') ?? ''),
    );
    await home.startAgent('nuc');
    await home.until('cameraclient', 'yard', ({ status }) => status?.['server'] === 'nuc');
    await home.untilReason('homeserver', 'nuc', 'Ready', 'AgentReady');
    const bundle = { sources: [{ configMap: { name: 'not-there' } }] };
    await home.apply({
      apiVersion: 'homing.dev/v1alpha1',
      kind: 'TrustBundle',
      metadata: { name: 'next' },
      spec: bundle,
    });
    await home.until('trustbundle', 'next', ({ status }) => status?.conditions !== undefined);
    await home.addNode('new');
    await home.addPod('new');
    await home.startAgent('new');
    const made = async () =>
      (await home.kubectl('get', 'homeservers', '--output=name')).includes('homeserver.homing.dev/new');
    await expect.poll(made, { timeout: 30_000 }).toBe(true);
    await home.untilReason('homeserver', 'new', 'Ready', 'AgentReady');
    await home.agents.get('new')?.end('SIGKILL');
    await home.kubectl('delete', 'homeserver', 'new');
    expect(await refusedTo(operatorName)).toEqual([]);
    expect(JSON.stringify(home.events)).not.toMatch(/forbidden|may not/i);
  });

  it('are enough for helm test, which moves a camera of its own and removes it', async () => {
    const kubeconfig = await kubeconfigOf('homing-test');
    const args = [
      '--operator',
      `127.0.0.1:${home.operatorPort}`,
      '--ca',
      path.join(home.directory, 'ca.crt'),
    ];
    const { code, stdout, stderr } = await runHoming(
      'cluster-test',
      '--kubeconfig',
      kubeconfig,
      ...args,
      '--timeout',
      '60',
    );
    expect(`${code} ${stdout}${code === 0 ? '' : stderr}`).toMatch(
      /^0 all is well: a camera moved from pi to nuc in \d+ ms, 0 frames lost\n$/,
    );
    expect(await refusedTo('homing-test')).toEqual([]);
    expect(await home.kubectl('--namespace', systemNamespace, 'get', 'cameraclients', '--output=name')).toBe(
      '',
    );
  });

  it('have helm test say what is wrong, in a table', async () => {
    for (const agent of home.agents.values()) await agent.end('SIGKILL');
    await home.kubectl('delete', 'homeservers', '--all');
    const kubeconfig = await kubeconfigOf('homing-test');
    const args = [
      '--operator',
      `127.0.0.1:${home.operatorPort}`,
      '--ca',
      path.join(home.directory, 'ca.crt'),
    ];
    const { code, stdout, stderr } = await runHoming(
      'cluster-test',
      '--kubeconfig',
      kubeconfig,
      ...args,
      '--timeout',
      '1',
    );
    expect(code).toBe(1);
    expect(stdout).toContain('no HomeServer is there yet');
    expect(stdout).toContain('cams/yard');
    expect(stderr).toContain('no HomeServer has enrolled yet');
  });

  it('let agents ask the API server nothing', async () => {
    const log = await home.plane.auditLog();
    expect(log.some(({ user }) => user.username === userOf(operatorName))).toBe(true);
    expect(log.filter(({ user }) => user.username === userOf('homing-agent'))).toEqual([]);
  });

  it('are all used', async () => {
    const log = await home.plane.auditLog();
    const used = log
      .filter(({ user }) => user.username === userOf(operatorName))
      .map(
        ({ verb, objectRef = {} }) =>
          `${verb} ${objectRef.resource}${objectRef.subresource === undefined ? '' : `/${objectRef.subresource}`}`,
      );
    const rules = (await template())
      .filter(({ kind, name }) => kind.endsWith('Role') && name === operatorName)
      .flatMap((role) => role.list('rules'));
    const given = rules.flatMap((rule) =>
      rule.list('resources').map(({ value: resource }) => ({
        resource: String(resource),
        verbs: rule.list('verbs').map(({ value }) => String(value)),
      })),
    );
    const idle = given.filter(
      ({ resource, verbs }) => !verbs.some((verb) => used.includes(`${verb} ${resource}`)),
    );
    // Helm makes the Lease; where somebody removed it, the operator makes it anew.
    expect(idle).toEqual([{ resource: 'leases', verbs: ['create'] }]);
  });
});
