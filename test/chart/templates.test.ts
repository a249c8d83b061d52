import { beforeAll, expect, it } from 'vitest';
import { caSecretName, operatorPort, tokenAudience, trustSecretName } from '../../crds/cluster.ts';
import { type Manifest, chart, helm, kubernetesBinaries, template, withValues } from '../support/helm.ts';
import { describeWith } from '../support/needs.ts';

/** Everything that can be switched on, with something in every list. */
const everything = {
  image: { digest: `sha256:${'a'.repeat(64)}` },
  imagePullSecrets: [{ name: 'registry' }],
  commonLabels: { team: 'house' },
  networkPolicy: { enabled: true },
  podMonitor: { enabled: true, labels: { release: 'prometheus' } },
  prometheusRule: {
    enabled: true,
    labels: { release: 'prometheus' },
    runbookUrl: 'https://example.org/runbooks/',
  },
  dashboard: { enabled: true, annotations: { folder: 'Home' } },
  operator: {
    service: { type: 'NodePort', nodePort: 31_730, annotations: { a: 'b' } },
    podLabels: { p: 'o' },
    podAnnotations: { a: 'o' },
    affinity: { nodeAffinity: {} },
    extraArgs: ['--verbose'],
    extraEnv: [{ name: 'TZ', value: 'Europe/Berlin' }],
    extraVolumes: [{ name: 'more', emptyDir: {} }],
    extraVolumeMounts: [{ name: 'more', mountPath: '/more' }],
  },
  agent: {
    media: { hostPath: '/srv/media' },
    podLabels: { p: 'a' },
    podAnnotations: { a: 'a' },
    affinity: { nodeAffinity: {} },
    extraArgs: ['--verbose'],
    extraEnv: [{ name: 'TZ', value: 'Europe/Berlin' }],
    extraVolumes: [{ name: 'more', emptyDir: {} }],
    extraVolumeMounts: [{ name: 'more', mountPath: '/more' }],
  },
  extraObjects: [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'extra-{{ .Release.Name }}' } },
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: text-{{ .Release.Name }}\n',
  ],
};

function one(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.filter((manifest) => manifest.kind === kind && manifest.name === name);
  expect(found.map(({ kind: itsKind }) => itsKind)).toEqual([kind]);
  const [first] = found;
  if (first === undefined) throw new Error(`no ${kind} ${name}`);
  return first;
}

const podSpec = ['spec', 'template', 'spec'] as const;
const argsOf = (workload: Manifest): readonly unknown[] =>
  workload.list(...podSpec, 'containers', 0, 'args').map(({ value }) => value);

describeWith(['go'], 'templates of the chart', () => {
  beforeAll(kubernetesBinaries, 1_200_000);

  it('pass helm lint in its strict way, by default and with everything on', async () => {
    for (const values of [{}, everything]) {
      const { code, stdout, stderr } = await withValues(values, (file) =>
        helm('lint', '--strict', chart, '--values', file),
      );
      expect(`${code} ${code === 0 ? '' : stdout + stderr}`).toBe('0 ');
    }
  });

  it('give every object the recommended labels and those of the user', async () => {
    const manifests = (await template(everything)).filter(({ name }) => !/^(extra|text)-/.test(name));
    expect(manifests.length).toBeGreaterThan(14);
    for (const manifest of manifests) {
      expect(manifest.at('metadata', 'labels')).toMatchObject({
        'app.kubernetes.io/name': 'homing',
        'app.kubernetes.io/instance': 'homing',
        'app.kubernetes.io/managed-by': 'Helm',
        team: 'house',
      });
    }
  });

  it('give no object twice, and each that is namespaced its namespace', async () => {
    const manifests = await template(everything);
    const keys = manifests.map(({ kind, name }) => `${kind}/${name}`);
    expect(new Set(keys).size).toBe(keys.length);
    const clusterWide = new Set(['ClusterRole', 'ClusterRoleBinding', 'CustomResourceDefinition']);
    const ours = manifests.filter(({ kind, name }) => !clusterWide.has(kind) && !/^(extra|text)-/.test(name));
    for (const manifest of ours) expect(manifest.at('metadata', 'namespace')).toBe('homing-system');
  });

  it('let no container do anything that it need not', async () => {
    for (const values of [{}, everything]) {
      const workloads = (await template(values)).filter(({ kind }) =>
        ['DaemonSet', 'Deployment'].includes(kind),
      );
      expect(workloads).toHaveLength(2);
      for (const workload of workloads) {
        expect(workload.at(...podSpec, 'securityContext')).toMatchObject({
          runAsNonRoot: true,
          runAsUser: 65_532,
          seccompProfile: { type: 'RuntimeDefault' },
        });
        for (const container of workload.list(...podSpec, 'containers'))
          expect(container.at('securityContext')).toEqual({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
      }
    }
  });

  it('have one container that is root, for the folders only, with one capability', async () => {
    const agent = one(await template(), 'DaemonSet', 'homing-agent');
    const [folders, ...more] = agent.list(...podSpec, 'initContainers');
    expect(more).toEqual([]);
    expect(folders?.at('securityContext')).toEqual({
      runAsNonRoot: false,
      runAsUser: 0,
      runAsGroup: 0,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['CHOWN'] },
    });
    const mounts = folders?.list('volumeMounts').map((mount) => mount.at('name'));
    expect(mounts).toEqual(['state', 'recordings']);
  });

  it('give agents no right and no token but the one for the operator', async () => {
    const manifests = await template(everything);
    const agent = one(manifests, 'DaemonSet', 'homing-agent');
    expect(agent.at(...podSpec, 'automountServiceAccountToken')).toBe(false);
    expect(one(manifests, 'ServiceAccount', 'homing-agent').at('automountServiceAccountToken')).toBe(false);
    const tokens = agent
      .list(...podSpec, 'volumes')
      .flatMap((volume) => volume.list('projected', 'sources'))
      .map((source) => source.at('serviceAccountToken'));
    expect(tokens).toEqual([{ audience: tokenAudience, expirationSeconds: 3600, path: 'token' }]);
    const bindings = manifests.filter(({ kind }) => kind.endsWith('RoleBinding'));
    const subjects = bindings
      .flatMap((binding) => binding.list('subjects'))
      .map((subject) => subject.at('name'));
    expect(subjects).toContain('homing-operator');
    expect(subjects).not.toContain('homing-agent');
  });

  it('keep passwords in memory, and wait for the trust set that the operator writes', async () => {
    const agent = one(await template(), 'DaemonSet', 'homing-agent');
    const volumes = Object.fromEntries(
      agent.list(...podSpec, 'volumes').map((volume) => [volume.at('name'), volume.value]),
    );
    expect(volumes).toMatchObject({
      credentials: { emptyDir: { medium: 'Memory', sizeLimit: '4Mi' } },
      trust: {
        secret: {
          secretName: trustSecretName,
          items: ['ca.crt', 'deny.txt', 'revision'].map((key) => ({ key, path: key })),
        },
      },
      state: { hostPath: { path: '/var/lib/homing/state', type: 'DirectoryOrCreate' } },
    });
  });

  it('renew one agent at a time, never two on a node, and run one operator', async () => {
    const manifests = await template();
    const agent = one(manifests, 'DaemonSet', 'homing-agent');
    expect(agent.at('spec', 'updateStrategy', 'rollingUpdate')).toEqual({ maxSurge: 0, maxUnavailable: 1 });
    expect(agent.at(...podSpec, 'terminationGracePeriodSeconds')).toBe(60);
    expect(agent.at(...podSpec, 'tolerations')).toEqual([{ operator: 'Exists' }]);
    const operator = one(manifests, 'Deployment', 'homing-operator');
    expect(operator.at('spec', 'replicas')).toBe(1);
    expect(operator.at('spec', 'strategy')).toEqual({ type: 'Recreate' });
    const seconds = operator
      .list(...podSpec, 'tolerations')
      .map((toleration) => toleration.at('tolerationSeconds'));
    expect(seconds).toEqual([undefined, 30, 30]);
  });

  it('tell agents where the operator is, by the port of its Service', async () => {
    const manifests = await template();
    const agent = one(manifests, 'DaemonSet', 'homing-agent');
    expect(argsOf(agent)).toContain(`--operator=homing-operator.homing-system.svc:${operatorPort}`);
    expect(agent.at(...podSpec, 'enableServiceLinks')).toBe(true);
    expect(one(manifests, 'Service', 'homing-operator').at('spec', 'ports', 0, 'port')).toBe(operatorPort);
  });

  it('try the installation out by helm test, with rights on one camera only', async () => {
    const manifests = await template();
    const pod = one(manifests, 'Pod', 'homing-test');
    expect(pod.at('metadata', 'annotations', 'helm.sh/hook')).toBe('test');
    expect(pod.at('spec', 'containers', 0, 'securityContext')).toMatchObject({
      readOnlyRootFilesystem: true,
    });
    const args = pod.list('spec', 'containers', 0, 'args').map(({ value }) => value);
    expect(args).toContain(`--operator=$(HOMING_OPERATOR_SERVICE_HOST):${operatorPort}`);
    const rules = one(manifests, 'Role', 'homing-test').list('rules');
    expect(rules.map((rule) => [rule.at('verbs'), rule.at('resourceNames')])).toEqual([
      [['create'], undefined],
      [['delete'], ['homing-test']],
    ]);
  });

  it('keep selectors through every upgrade and every value', async () => {
    for (const name of ['homing-agent', 'homing-operator']) {
      const selectors = await Promise.all(
        [{}, everything].map(async (values) =>
          (await template(values, '--no-hooks'))
            .find(
              (manifest) =>
                manifest.name === name && manifest.at('spec', 'selector', 'matchLabels') !== undefined,
            )
            ?.at('spec', 'selector'),
        ),
      );
      expect(selectors[0]).toEqual(selectors[1]);
      expect(selectors[0]).toEqual({
        matchLabels: {
          'app.kubernetes.io/name': 'homing',
          'app.kubernetes.io/component': name.slice('homing-'.length),
        },
      });
    }
  });

  it('write the CA and the trust set only under their names', async () => {
    const roles = (await template()).filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole');
    const rules = roles
      .filter(({ name }) => name === 'homing-operator')
      .flatMap((role) => role.list('rules'));
    const writesSecrets = rules.filter(
      (rule) =>
        JSON.stringify(rule.at('resources')).includes('"secrets"') &&
        /update|patch|delete/.test(JSON.stringify(rule.at('verbs'))),
    );
    expect(writesSecrets.map((rule) => rule.at('resourceNames'))).toEqual([[caSecretName, trustSecretName]]);
    expect(rules.some((rule) => JSON.stringify(rule.value).includes('*'))).toBe(false);
  });

  it('tell nobody on the network what agents measure, until somebody is to ask', async () => {
    const metricsOf = async (values: object) =>
      argsOf(one(await template(values), 'DaemonSet', 'homing-agent')).filter((arg) =>
        String(arg).startsWith('--metrics'),
      );
    expect(await metricsOf({})).toEqual(['--metrics=127.0.0.1:9318']);
    expect(await metricsOf({ podMonitor: { enabled: true } })).toEqual(['--metrics=:9318']);
    expect(
      await metricsOf({ podMonitor: { enabled: true }, agent: { metrics: { host: 'loopback' } } }),
    ).toEqual(['--metrics=127.0.0.1:9318']);
    expect(await metricsOf({ agent: { metrics: { enabled: false } } })).toEqual([]);
  });

  it('leave out what is switched off', async () => {
    const off = {
      crds: { enabled: false },
      rbac: { create: false },
      agent: { enabled: false },
      operator: { metrics: { enabled: false } },
      test: { enabled: false },
    };
    const keys = (await template(off)).map(({ kind, name }) => `${kind}/${name}`);
    expect(keys.toSorted()).toEqual([
      'Deployment/homing-operator',
      'Lease/homing-operator',
      'Secret/homing-trust',
      'Service/homing-operator',
      'ServiceAccount/homing-operator',
    ]);
  });

  it('take the image by digest, else by tag, else by the version of the chart', async () => {
    const imageOf = async (image: object) =>
      one(await template({ image }), 'DaemonSet', 'homing-agent').at(...podSpec, 'containers', 0, 'image');
    const digest = `sha256:${'0'.repeat(64)}`;
    expect(await imageOf({})).toMatch(/^localhost\/homing:\d+\.\d+\.\d+$/);
    expect(await imageOf({ repository: 'r.example/homing', tag: 'x' })).toBe('r.example/homing:x');
    expect(await imageOf({ repository: 'r.example/homing', tag: 'x', digest })).toBe(
      `r.example/homing@${digest}`,
    );
  });

  it('render further objects, given as objects or as text', async () => {
    const names = (await template(everything)).map(({ name }) => name);
    expect(names).toContain('extra-homing');
    expect(names).toContain('text-homing');
  });

  it('refuse values that nobody reads, and say which', async () => {
    const refused: readonly (readonly [object, RegExp])[] = [
      [{ agents: {} }, /additional properties 'agents' not allowed/],
      [{ agent: { hostNetwork: false } }, /at '\/agent': additional properties 'hostNetwork' not allowed/],
      [{ image: { digest: 'latest' } }, /at '\/image\/digest': 'latest' does not match pattern/],
      [{ image: { pullPolicy: 'Sometimes' } }, /at '\/image\/pullPolicy': value must be one of/],
      [{ agent: { metrics: { port: 0 } } }, /at '\/agent\/metrics\/port': minimum: got 0, want 1/],
      [
        { agent: { state: { hostPath: 'relative' } } },
        /at '\/agent\/state\/hostPath': 'relative' does not match pattern/,
      ],
      [
        { operator: { resources: { request: {} } } },
        /at '\/operator\/resources': additional properties 'request' not allowed/,
      ],
      [{ crds: { keep: 'yes' } }, /at '\/crds\/keep': got string, want boolean/],
    ];
    for (const [values, message] of refused) await expect(template(values)).rejects.toThrow(message);
  });

  it('take null for any value as its default’s absence', async () => {
    const without = {
      agent: { affinity: null, priorityClassName: null, tolerations: null },
      commonLabels: null,
    };
    const agent = one(await template(without), 'DaemonSet', 'homing-agent');
    expect(agent.at(...podSpec, 'tolerations')).toBeUndefined();
    expect(agent.at(...podSpec, 'priorityClassName')).toBeUndefined();
  });
});
