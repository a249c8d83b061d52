import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startControlPlane, type ControlPlane } from '../support/control-plane.ts';
import { describeWith } from '../support/needs.ts';

describeWith(['kubernetes', 'openssl'], 'a control plane for tests', () => {
  let plane: ControlPlane;

  beforeAll(async () => {
    plane = await startControlPlane({ auditLog: true });
  });
  afterAll(() => plane.stop());

  it('lets a user do what its groups may, and nobody else', async () => {
    const kubeconfig = await plane.kubeconfigFor({ user: 'system:node:pi', groups: ['system:nodes'] });
    const who = await plane.kubectl('auth', 'whoami', '--output=json', { kubeconfig });
    expect(JSON.parse(who.stdout)).toMatchObject({
      status: {
        userInfo: { username: 'system:node:pi', groups: expect.arrayContaining(['system:nodes']) },
      },
    });
    const refused = await plane.kubectl('get', 'secrets', '--all-namespaces', { kubeconfig });
    expect(refused.stderr).toContain('User "system:node:pi" cannot list resource "secrets"');
  });

  it('gives tokens of a pod, with its node', async () => {
    const objects = [
      { apiVersion: 'v1', kind: 'Node', metadata: { name: 'pi' } },
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'agent', namespace: 'default' } },
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'agent-1', namespace: 'default' },
        spec: { nodeName: 'pi', serviceAccountName: 'agent', containers: [{ name: 'a', image: 'a' }] },
      },
    ];
    const stdin = objects.map((object) => JSON.stringify(object)).join('\n---\n');
    expect((await plane.kubectl('apply', '--filename=-', { stdin })).stderr).toBe('');
    const uid = await plane.kubectl('get', 'pod', 'agent-1', '--output=jsonpath={.metadata.uid}');
    const token = await plane.tokenFor({
      namespace: 'default',
      serviceAccount: 'agent',
      audience: 'homing',
      seconds: 600,
      pod: { name: 'agent-1', uid: uid.stdout },
    });
    const review = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: ['homing'] },
    };
    const answer = await plane.kubectl('create', '--filename=-', '--output=json', {
      stdin: JSON.stringify(review),
    });
    expect(JSON.parse(answer.stdout)).toMatchObject({
      status: {
        authenticated: true,
        user: {
          username: 'system:serviceaccount:default:agent',
          extra: { 'authentication.kubernetes.io/node-name': ['pi'] },
        },
      },
    });
  });

  it('writes down who asked for what', async () => {
    await plane.kubectl('get', 'configmap', 'asked-for');
    expect(await plane.auditLog()).toContainEqual(
      expect.objectContaining({
        verb: 'get',
        user: expect.objectContaining({ username: 'admin' }),
        objectRef: expect.objectContaining({ resource: 'configmaps', name: 'asked-for' }),
        responseStatus: expect.objectContaining({ code: 404 }),
      }),
    );
  });

  it('sweeps away what a run that was killed has left', async () => {
    const script = `
      const { startControlPlane } = await import(${JSON.stringify(path.join(import.meta.dirname, '../support/control-plane.ts'))});
      const plane = await startControlPlane();
      console.log(plane.kubeconfigPath);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script]);
    const killed = Promise.withResolvers<void>();
    child.once('exit', () => killed.resolve());
    const told = Promise.withResolvers<string>();
    child.stdout.on('data', (data: Buffer) => told.resolve(data.toString().trim()));
    const directory = path.dirname(await told.promise);
    child.kill('SIGKILL');
    await killed.promise;
    expect(processesThatName(directory)).toBe(2);
    await (await startControlPlane()).stop();
    expect(existsSync(directory)).toBe(false);
    expect(processesThatName(directory)).toBe(0);
  });
});

function processesThatName(directory: string): number {
  const lines = execFileSync('ps', ['-e', '-o', 'args']).toString().split('\n');
  return lines.filter((line) => line.includes(`${directory}/`)).length;
}
