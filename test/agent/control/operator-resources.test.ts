import { describe, expect, it } from 'vitest';
import { takeRunnable, type RunnableResources } from '../../../agent/control/operator-resources.ts';
import type { Snapshot } from '../../../crds/operator-messages.ts';

const apiVersion = 'homing.dev/v1alpha1';
const server = (spec: object = {}) => ({ apiVersion, kind: 'HomeServer', metadata: { name: 'nuc' }, spec });
const camera = (name: string, spec: object = {}) => ({
  apiVersion,
  kind: 'CameraClient',
  metadata: { name, namespace: 'cams' },
  spec: { source: { test: {} }, bridge: { servers: ['nuc'] }, ...spec },
});
const withLogin = { source: { rtsp: { url: 'rtsp://cam/1' }, credentialsRef: { name: 'login' } } };
const login = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'login', namespace: 'cams' },
  data: { username: 'dQ==', password: 'cA==' },
};

function take(parts: Partial<Snapshot>, previous?: RunnableResources): RunnableResources {
  const snapshot: Snapshot = {
    kind: 'snapshot',
    revision: 1,
    homeServers: [server()],
    cameraClients: [],
    secrets: [],
    trust: { revision: 1, anchorsPem: '', denyText: '' },
    isCordoned: false,
    ...parts,
  };
  return takeRunnable(snapshot, {
    name: 'nuc',
    hasMedia: false,
    hasCredentials: true,
    isCertified: () => true,
    previous,
  });
}

const names = ({ cameraClients }: RunnableResources) => cameraClients.map(({ metadata }) => metadata.name);

describe('what an agent can run of a snapshot', () => {
  it.each([
    ['a source that this version cannot open', camera('bad', { source: { rtmp: {} } }), 'cannot open it'],
    ['a Secret that did not come', camera('bad', withLogin), 'must be a Secret in namespace cams'],
    ['a file where there is no folder', camera('bad', { source: { file: { name: 'a.ts' } } }), '--media'],
    [
      'a value that this version does not take',
      camera('bad', { source: { test: { fps: 9000 } } }),
      'spec.source.test.fps',
    ],
    ['no source', { ...camera('bad'), spec: {} }, 'spec.source'],
  ])('is everything but a camera with %s, whose problem is told', (_, bad, message) => {
    const taken = take({ cameraClients: [camera('door'), bad, camera('gate')] });
    expect(names(taken)).toEqual(['door', 'gate']);
    expect([...taken.problems.keys()]).toEqual(['cams/bad']);
    expect(taken.problems.get('cams/bad')).toContain(message);
    expect(taken.serverProblem).toBeUndefined();
  });

  it('leaves out fields that a newer operator sends', () => {
    const newer = camera('door', { brandNew: { a: 1 } });
    const taken = take({ homeServers: [server({ alsoNew: true })], cameraClients: [newer] });
    expect(names(taken)).toEqual(['door']);
    expect(JSON.stringify(taken)).not.toMatch(/brandNew|alsoNew/);
  });

  it('has a camera wait for its certificate without calling that a problem', () => {
    const snapshot: Snapshot = {
      kind: 'snapshot',
      revision: 1,
      homeServers: [server()],
      cameraClients: [camera('door')],
      secrets: [],
      trust: { revision: 1, anchorsPem: '', denyText: '' },
      isCordoned: false,
    };
    const taken = takeRunnable(snapshot, {
      name: 'nuc',
      hasMedia: false,
      hasCredentials: true,
      isCertified: () => false,
    });
    expect([names(taken), taken.problems.size]).toEqual([[], 0]);
  });

  it('goes on with a camera as it was where its new form is wrong', () => {
    const before = take({ cameraClients: [camera('door'), camera('gate')] });
    const taken = take({ cameraClients: [camera('door', { source: { rtmp: {} } }), camera('gate')] }, before);
    expect(taken.cameraClients[0]?.spec.source.test).toBeDefined();
    expect(names(taken)).toEqual(['door', 'gate']);
    expect([...taken.problems.keys()]).toEqual(['cams/door']);
  });

  it('goes on with credentials whose Secret has vanished, while a camera names them', () => {
    const before = take({ cameraClients: [camera('door', withLogin)], secrets: [login] });
    const taken = take({ cameraClients: [camera('door', withLogin)] }, before);
    expect([names(taken), taken.secrets.length, taken.problems.size]).toEqual([['door'], 1, 0]);
    const after = take({ cameraClients: [camera('door')] }, taken);
    expect(after.secrets).toEqual([]);
  });

  it('uses nothing of a snapshot whose server cannot be run, and says why', () => {
    expect(
      take({ homeServers: [server({ sinks: [{ name: 'x', exec: { command: 'y' } }] })] }).serverProblem,
    ).toContain('spec.sinks[0].exec');
    expect(take({ homeServers: [server({ max: 'many' })] }).serverProblem).toContain('spec.max');
  });

  it('takes suspended cameras as they are, for the server to refuse', () => {
    expect(names(take({ cameraClients: [camera('door', { suspend: true, ...withLogin })] }))).toEqual([
      'door',
    ]);
  });
});
