import { writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { makeDefinitions } from '../../crds/definitions.ts';
import { freePorts, runHoming } from '../support/agent-process.ts';
import { startControlPlane, type ControlPlane } from '../support/control-plane.ts';
import { describeWith } from '../support/needs.ts';
import { OperatorProcess } from '../support/operator-process.ts';

describeWith(['go', 'openssl'], 'homing operator', () => {
  let plane: ControlPlane;
  let [port, metricsPort] = [0, 0];
  const running: OperatorProcess[] = [];

  beforeAll(async () => {
    plane = await startControlPlane();
    [port = 0, metricsPort = 0] = await freePorts(2);
    await plane.kubectl('create', 'namespace', 'homing-system');
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((each) => each.end('SIGKILL')));
  });
  afterAll(async () => {
    await plane.stop();
  });

  function start(pod: string, ...args: readonly string[]): OperatorProcess {
    const common = ['--kubeconfig', plane.kubeconfigPath, '--listen', `127.0.0.1:${port}`];
    const operator = new OperatorProcess(pod, [...common, ...args]);
    running.push(operator);
    return operator;
  }
  const ask = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${metricsPort}${path}`);
    return { status: answer.status, text: await answer.text() };
  };

  it('says that the CRDs are missing, lives, is not ready, and starts when they come', async () => {
    const operator = start('pod-a', '--metrics', `127.0.0.1:${metricsPort}`);
    await operator.says('warning', 'the cluster does not know homeservers: install the CRDs');
    expect((await ask('/healthz')).status).toBe(200);
    const unready = await ask('/readyz');
    expect([unready.status, unready.text]).toEqual([503, expect.stringContaining('install the CRDs')]);
    const definitions = { apiVersion: 'v1', kind: 'List', items: makeDefinitions() };
    await plane.kubectl('apply', '--server-side', '-f', '-', { stdin: JSON.stringify(definitions) });
    await operator.says('"event":"started"');
    expect(await ask('/readyz')).toEqual({ status: 200, text: 'ok\n' });
    expect((await ask('/metrics')).text).toMatch(/homing_operator_anchor_days\{sha256="[0-9a-f]{64}"\} 3649/);
    expect((await ask('/else')).status).toBe(404);
    expect(await operator.end('SIGTERM')).toBe(0);
    expect(operator.lines.at(-1)).toContain('"event":"stopped","reason":"SIGTERM"');
  });

  it('waits while the pod that holds the Lease runs, takes it over when that is gone, and the other one ends', async () => {
    const make = async (object: object) =>
      plane.kubectl('apply', '-f', '-', { stdin: JSON.stringify(object) });
    await make({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'nuc' } });
    await plane.kubectl(
      'patch',
      'node',
      'nuc',
      '--subresource=status',
      '--type=merge',
      '-p',
      '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}',
    );
    await plane.kubectl('-n', 'homing-system', 'create', 'serviceaccount', 'default');
    const spec = { nodeName: 'nuc', containers: [{ name: 'operator', image: 'homing' }] };
    await make({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'pod-b', namespace: 'homing-system' },
      spec,
    });
    const first = start('pod-b');
    await first.says('"event":"started"');
    const second = start('pod-c', '--listen', '127.0.0.1:0');
    await second.says('"event":"waiting"', 'the pod pod-b runs');
    await plane.kubectl('-n', 'homing-system', 'delete', 'pod', 'pod-b', '--force', '--grace-period=0');
    await second.says('"event":"started"');
    expect(await first.ended()).toBe(1);
    expect(first.lines.at(-1)).toContain('another operator has taken the Lease');
    expect(await second.end('SIGINT')).toBe(0);
  });

  it('ends by a signal while it waits for the API server', async () => {
    const kubeconfig = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1' } }],
      users: [{ name: 'u', user: {} }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    });
    await writeFile(`${plane.kubeconfigPath}.unreachable`, kubeconfig);
    const operator = new OperatorProcess('pod-d', ['--kubeconfig', `${plane.kubeconfigPath}.unreachable`]);
    running.push(operator);
    await operator.says('"event":"warning"', '"reason":"Lease"', 'ECONNREFUSED');
    expect(await operator.end('SIGTERM')).toBe(0);
  });

  it('refuses wrong options and a kubeconfig that is none', async () => {
    expect((await runHoming('operator', '--listen', 'nonsense')).code).toBe(2);
    const missing = await runHoming('operator', '--kubeconfig', '/nowhere/kubeconfig');
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('/nowhere/kubeconfig') });
    const context = await runHoming('operator', '--kubeconfig', plane.kubeconfigPath, '--context', 'none');
    expect(context).toMatchObject({ code: 2, stderr: expect.stringContaining('none') });
  });
});
