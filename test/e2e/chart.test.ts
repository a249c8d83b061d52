import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  agentName,
  caSecretName,
  leaseName,
  operatorName,
  systemNamespace,
  trustSecretName,
} from '../../crds/cluster.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { chart, helm, kubernetesBinaries, manifestsOf, template, withValues } from '../support/helm.ts';
import { describeWith } from '../support/needs.ts';

let plane: ControlPlane;

const crdNames = ['cameraclients.homing.dev', 'homeservers.homing.dev', 'trustbundles.homing.dev'];

/** kubectl that must succeed. */
async function kubectl(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await plane.kubectl(...args);
  expect(`${code} ${code === 0 ? '' : `${args.join(' ')}: ${stderr}`}`).toBe('0 ');
  return stdout;
}

async function apply(...objects: readonly object[]): Promise<void> {
  const { code, stderr } = await plane.kubectl('apply', '--filename', '-', {
    stdin: objects.map((object) => JSON.stringify(object)).join('\n---\n'),
  });
  expect(`${code} ${code === 0 ? '' : stderr}`).toBe('0 ');
}

/** helm that must succeed. */
async function helmHere(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await helm(
    ...args,
    '--namespace',
    systemNamespace,
    '--kubeconfig',
    plane.kubeconfigPath,
  );
  expect(`${code} ${code === 0 ? '' : `${args.join(' ')}: ${stderr}`}`).toBe('0 ');
  return stdout;
}

const install = (values: object = {}) =>
  withValues(values, (file) => helmHere('install', 'homing', chart, '--create-namespace', '--values', file));
const upgrade = (values: object = {}) =>
  withValues(values, (file) => helmHere('upgrade', 'homing', chart, '--values', file));
const uninstall = () => helmHere('uninstall', 'homing');

/** `kind/name` of everything in the cluster that carries the release's label, or is in its namespace and not the cluster's own. */
async function whatIsThere(): Promise<readonly string[]> {
  const listable = await kubectl('api-resources', '--verbs=list', '--output=name');
  const kinds = listable
    .trim()
    .split('\n')
    .filter((kind) => !/^(events|componentstatuses|namespaces|bindings)/.test(kind));
  const labelled = await kubectl(
    'get',
    kinds.join(','),
    '--all-namespaces',
    '--selector=app.kubernetes.io/instance=homing',
    '--output=name',
    '--ignore-not-found',
  );
  const inside = await kubectl(
    'get',
    kinds.join(','),
    '--namespace',
    systemNamespace,
    '--output=name',
    '--ignore-not-found',
  );
  const names = new Set(`${labelled}${inside}`.split('\n').filter((name) => name !== ''));
  const clusterScoped = [...names].filter((name) => labelled.includes(name) || isOfNamespace(name));
  return clusterScoped
    .filter((name) => !/serviceaccount\/default|configmap\/kube-root-ca/.test(name))
    .toSorted();
}

/** kubectl lists what has no namespace too when it is asked for a namespace. */
function isOfNamespace(name: string): boolean {
  return /^(secret|configmap|serviceaccount|service|pod|lease|role|rolebinding|daemonset|deployment|networkpolicy)[./]/.test(
    name,
  );
}

/** What the operator puts into objects that the chart made. */
async function writeAsTheOperator(): Promise<void> {
  const namespace = systemNamespace;
  const objects = [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: trustSecretName, namespace },
      stringData: { 'ca.crt': 'x' },
    },
    {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: leaseName, namespace },
      spec: { holderIdentity: 'homing-operator-x' },
    },
  ];
  const stdin = objects.map((object) => JSON.stringify(object)).join('\n---\n');
  const how = ['--server-side', '--field-manager=homing-operator', '--force-conflicts', '--filename', '-'];
  const { code, stderr } = await plane.kubectl('apply', ...how, { stdin });
  expect(`${code} ${code === 0 ? '' : stderr}`).toBe('0 ');
}

async function canI(who: string, ...what: readonly string[]): Promise<boolean> {
  const user = `--as=system:serviceaccount:${systemNamespace}:${who}`;
  const { stdout } = await plane.kubectl('auth', 'can-i', ...what, user);
  return stdout.trim() === 'yes';
}

describeWith(['go', 'openssl'], 'the chart on a real API server', () => {
  beforeAll(async () => {
    await kubernetesBinaries();
    plane = await startControlPlane();
  }, 1_200_000);

  afterAll(async () => {
    await plane.stop();
  });

  it('installs objects that the API server takes without a warning', async () => {
    await kubectl('create', 'namespace', systemNamespace);
    const values = {
      networkPolicy: { enabled: true },
      dashboard: { enabled: true },
      agent: { media: { hostPath: '/srv/media' } },
    };
    const text = (await template(values, '--no-hooks'))
      .map(({ value }) => JSON.stringify(value))
      .join('\n---\n');
    const { code, stderr } = await plane.kubectl(
      'apply',
      '--dry-run=server',
      '--validate=strict',
      '--filename',
      '-',
      { stdin: text },
    );
    expect(`${code} ${stderr}`).toBe('0 ');
  });

  it('gives operator and helm test pods that pass the strictest Pod Security Standard', async () => {
    const strict = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await apply(
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'strict', labels: strict } },
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: operatorName, namespace: 'strict' } },
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'homing-test', namespace: 'strict' } },
    );
    const manifests = await template();
    const operator = manifests.find(({ kind }) => kind === 'Deployment')?.at('spec', 'template', 'spec');
    const test = manifests.find(({ kind }) => kind === 'Pod')?.at('spec');
    for (const given of [operator, test]) {
      // The API server lets its priority be used in the namespaces that it knows only.
      const spec = Object.assign({}, given, { priorityClassName: undefined });
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'strict', namespace: 'strict' }, spec };
      const { code, stderr } = await plane.kubectl('apply', '--dry-run=server', '--filename', '-', {
        stdin: JSON.stringify(pod),
      });
      expect(`${code} ${stderr}`).toBe('0 ');
    }
  });

  it('gives the operator what it needs and no more, and agents nothing', async () => {
    await install();
    const may = (...what: readonly string[]) => canI(operatorName, ...what);
    const allowed = [
      ['list', 'homeservers.homing.dev'],
      ['create', 'homeservers.homing.dev'],
      ['patch', 'cameraclients.homing.dev', '--subresource=status', '--all-namespaces'],
      ['get', 'secrets', '--namespace=default'],
      ['create', 'tokenreviews.authentication.k8s.io'],
      ['watch', 'nodes'],
      ['watch', 'pods', `--namespace=${systemNamespace}`],
      ['patch', `secrets/${caSecretName}`, `--namespace=${systemNamespace}`],
      ['create', 'events.events.k8s.io', '--namespace=default'],
    ];
    for (const what of allowed)
      expect(`${what.join(' ')}: ${await may(...what)}`).toBe(`${what.join(' ')}: true`);
    const refused = [
      ['list', 'secrets', '--namespace=default'],
      ['delete', 'secrets', `--namespace=${systemNamespace}`],
      ['patch', 'secrets/other', `--namespace=${systemNamespace}`],
      ['patch', 'cameraclients.homing.dev', '--namespace=default'],
      ['delete', 'homeservers.homing.dev'],
      ['create', 'serviceaccounts', '--subresource=token', `--namespace=${systemNamespace}`],
      ['create', 'pods', `--namespace=${systemNamespace}`],
      ['get', 'pods', '--namespace=default'],
      ['patch', 'nodes'],
      ['escalate', 'clusterroles.rbac.authorization.k8s.io'],
    ];
    for (const what of refused)
      expect(`${what.join(' ')}: ${await may(...what)}`).toBe(`${what.join(' ')}: false`);
    const agents = await kubectl(
      'auth',
      'can-i',
      '--list',
      `--as=system:serviceaccount:${systemNamespace}:${agentName}`,
    );
    const anybody = await kubectl(
      'auth',
      'can-i',
      '--list',
      `--as=system:serviceaccount:${systemNamespace}:nobody`,
    );
    expect(agents).toBe(anybody);
    await uninstall();
  });

  it('keeps at uninstall the CRDs, what is in them and the CA, and nothing else', async () => {
    await install({ networkPolicy: { enabled: true }, dashboard: { enabled: true } });
    const before = await whatIsThere();
    expect(before).toContain(`daemonset.apps/${agentName}`);
    await apply(
      { apiVersion: 'homing.dev/v1alpha1', kind: 'HomeServer', metadata: { name: 'kept' }, spec: {} },
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: caSecretName, namespace: systemNamespace },
        stringData: { 'tls.crt': 'x' },
      },
    );
    await writeAsTheOperator();
    await uninstall();
    expect(await whatIsThere()).toEqual([
      ...crdNames.map((name) => `customresourcedefinition.apiextensions.k8s.io/${name}`),
      `secret/${caSecretName}`,
    ]);
    expect(await kubectl('get', 'homeserver', 'kept', '--output=name')).toBe('homeserver.homing.dev/kept\n');
  });

  it('is installed again over what it kept, upgraded, and rolled back', async () => {
    await install();
    const portOf = () =>
      kubectl(
        'get',
        'service',
        operatorName,
        '--namespace',
        systemNamespace,
        '--output=jsonpath={.spec.type}',
      );
    const agentOf = (field: string) =>
      kubectl('get', 'daemonset', agentName, '--namespace', systemNamespace, `--output=jsonpath=${field}`);
    const priority = '{.spec.template.spec.priorityClassName}';
    expect([await portOf(), await agentOf(priority)]).toEqual(['ClusterIP', 'system-node-critical']);
    await upgrade({ operator: { service: { type: 'NodePort' } }, agent: { priorityClassName: '' } });
    expect([await portOf(), await agentOf(priority)]).toEqual(['NodePort', '']);
    await helmHere('rollback', 'homing', '1');
    expect([await portOf(), await agentOf(priority)]).toEqual(['ClusterIP', 'system-node-critical']);
    expect(await kubectl('get', 'homeserver', 'kept', '--output=name')).toBe('homeserver.homing.dev/kept\n');
  });

  it('starts no pod anew at an upgrade that changes nothing, and leaves to the operator what is its own', async () => {
    const generation = () =>
      kubectl(
        'get',
        'daemonset',
        agentName,
        '--namespace',
        systemNamespace,
        '--output=jsonpath={.metadata.generation}',
      );
    const before = await generation();
    await writeAsTheOperator();
    await upgrade();
    expect(await generation()).toBe(before);
    const holder = await kubectl(
      'get',
      'lease',
      leaseName,
      '--namespace',
      systemNamespace,
      '--output=jsonpath={.spec.holderIdentity}',
    );
    expect(holder).toBe('homing-operator-x');
  });

  it('brings CRDs of an older version up to date', async () => {
    const show = () =>
      kubectl('get', 'crd', 'homeservers.homing.dev', '--output=jsonpath={.spec.names.shortNames}');
    const shortNames = await show();
    expect(shortNames).not.toBe('');
    const older = await mkdtemp(path.join(tmpdir(), 'homing-older-chart-'));
    await cp(chart, older, { recursive: true });
    const file = path.join(older, 'files/crds/homeservers.yaml');
    const text = await readFile(file, 'utf8');
    await writeFile(
      file,
      text.replace(/shortNames: *\[[^\]]*\]|shortNames:(\n +- \S+)+/, 'shortNames: [old]'),
    );
    await helmHere('upgrade', 'homing', older);
    await rm(older, { recursive: true });
    expect(await show()).toBe('["old"]');
    await upgrade();
    expect(await show()).toBe(shortNames);
  });

  it('removes the CRDs where that was asked for', async () => {
    await upgrade({ crds: { keep: false } });
    await kubectl('delete', 'homeserver', 'kept');
    await uninstall();
    await kubectl('delete', 'secret', caSecretName, '--namespace', systemNamespace);
    for (const name of crdNames) await plane.kubectl('wait', '--for=delete', `crd/${name}`, '--timeout=20s');
    expect(await whatIsThere()).toEqual([]);
  });
});

describeWith(['go'], 'the chart in words', () => {
  it('tells after an install what to do next', async () => {
    const { stdout } = await helm('install', 'homing', chart, '--namespace', 'somewhere', '--dry-run=client');
    const notes = stdout.slice(stdout.indexOf('NOTES:'));
    expect(notes).toContain('kubectl get homeservers');
    expect(notes).toContain('helm test homing --namespace somewhere');
    const example = /kind: CameraClient[\s\S]*?(?=\n {2}EOF)/.exec(notes)?.[0] ?? '';
    expect(manifestsOf(example.replaceAll(/^ {2}/gm, ''))[0]?.at('spec', 'source', 'credentialsRef')).toEqual(
      { name: 'front-door' },
    );
  });
});
