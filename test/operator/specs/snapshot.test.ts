import { describe, expect, it } from 'vitest';
import { assignResources } from '../../../agent/control/assignment.ts';
import { snapshot as snapshotSchema } from '../../../crds/operator-messages.ts';
import { readCameraSecret } from '../../../operator/reconcile/camera-secret.ts';
import { surveyWorld } from '../../../operator/reconcile/survey.ts';
import { camerasOf, makeSnapshot, type SnapshotParts } from '../../../operator/specs/snapshot.ts';
import {
  agentNamed,
  cameraNamed,
  serverNamed,
  worldOf,
  type WorldParts,
} from '../../support/cluster-world.ts';

const trust = { revision: 7, anchorsPem: 'PEM', denyText: '' };
const rtsp = (secret: string, spec: object = {}) => ({
  source: { rtsp: { url: 'rtsp://cam/1' }, credentialsRef: { name: secret } },
  ...spec,
});
const secretOf = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'cams' },
  type: 'Opaque',
  data: { username: 'dQ==', password: 'cA==' },
});

function sentTo(name: string, world: WorldParts, parts: Partial<SnapshotParts> = {}) {
  const survey = surveyWorld(worldOf(world), new Map());
  return makeSnapshot(name, survey, { trust, secrets: new Map(), raw: new Map(), ...parts });
}

const named = (resources: readonly unknown[]) =>
  resources.map((resource) => JSON.stringify(resource).match(/"metadata":\{"name":"([^"]*)"/)?.[1]);

describe('a snapshot', () => {
  const world = {
    homeServers: [
      serverNamed('nuc'),
      serverNamed('pi'),
      serverNamed('shed', { external: { address: 'shed.lan:17320' } }),
      serverNamed('unplaced', { external: {} }),
    ],
    cameraClients: [
      cameraNamed('door', rtsp('door-login', { bridge: { servers: ['nuc', 'pi'] } })),
      cameraNamed('gate', rtsp('gate-login', { bridge: { servers: ['pi'] } })),
      cameraNamed('yard', rtsp('yard-login', { bridge: { servers: ['pi'] }, suspend: true })),
      cameraNamed('pc', { source: { native: {} } }),
    ],
    agents: [agentNamed('nuc'), agentNamed('pi')],
  };
  const secrets = new Map(
    ['door', 'gate', 'yard'].map((name) => [`cams/${name}`, secretOf(`${name}-login`)]),
  );

  it('holds its own server and those with an address, its cameras, and everybody who is suspended', () => {
    const sent = sentTo('nuc', world, { secrets });
    expect(named(sent.homeServers)).toEqual(['nuc', 'shed']);
    expect(named(sent.cameraClients)).toEqual(['door', 'yard']);
    expect(sent.trust).toEqual(trust);
    expect(() => snapshotSchema.parse({ ...sent, revision: 1 })).not.toThrow();
  });

  it('holds the credentials of its own cameras only, and none of suspended ones', () => {
    expect(named(sentTo('nuc', world, { secrets }).secrets)).toEqual(['door-login']);
    expect(named(sentTo('pi', world, { secrets }).secrets)).toEqual(['door-login', 'gate-login']);
    expect(sentTo('shed', world, { secrets }).secrets).toEqual([]);
  });

  it('gives a native client itself and the suspended ones', () => {
    const sent = sentTo('cams/pc', world, { secrets });
    expect(named(sent.cameraClients)).toEqual(['pc', 'yard']);
    expect(sent.secrets).toEqual([]);
  });

  it('says who bridges a camera that names nobody, so that the agent’s own rules take it up', () => {
    const home = {
      homeServers: [serverNamed('nuc')],
      cameraClients: [cameraNamed('door')],
      agents: [agentNamed('nuc')],
    };
    const sent = sentTo('nuc', home);
    expect(sent.cameraClients).toMatchObject([{ spec: { bridge: { servers: ['nuc'] } } }]);
    const loaded = (resource: object) => ({ resource, file: 'snapshot', document: { line: 1 } });
    const taken = assignResources(
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as files give them
      {
        homeServers: home.homeServers.map(loaded),
        cameraClients: home.cameraClients.map((camera) =>
          loaded({ ...camera, spec: { ...camera.spec, bridge: { servers: ['nuc'] } } }),
        ),
        trustBundles: [],
        secrets: [],
        configMaps: [],
      } as never,
      'nuc',
    );
    expect(taken.cameras.map(({ name }) => name)).toEqual(['cams/door']);
  });

  it('leaves bridges out that are not there', () => {
    const home = {
      homeServers: [serverNamed('nuc')],
      cameraClients: [cameraNamed('door', { bridge: { servers: ['attic', 'nuc'], bridgeTimeout: '9s' } })],
    };
    expect(sentTo('nuc', home).cameraClients).toMatchObject([
      { spec: { bridge: { servers: ['nuc'], bridgeTimeout: '9s' } } },
    ]);
  });

  it('is the resource as the API server has it, with fields that we do not know, and without status', () => {
    const raw = new Map([
      [
        'HomeServer nuc',
        { metadata: { name: 'nuc', managedFields: [{}] }, spec: { max: 3, brandNew: true }, status: {} },
      ],
    ]);
    expect(sentTo('nuc', { homeServers: [serverNamed('nuc')] }, { raw }).homeServers).toEqual([
      {
        apiVersion: 'homing.dev/v1alpha1',
        kind: 'HomeServer',
        metadata: { name: 'nuc' },
        spec: { max: 3, brandNew: true },
      },
    ]);
  });

  it('tells of a cordon where the server drains on that', () => {
    const cordoned = (spec: object, isUnschedulable: boolean) =>
      sentTo('nuc', { homeServers: [serverNamed('nuc', spec)], nodes: [{ name: 'nuc', isUnschedulable }] })
        .isCordoned;
    expect(cordoned({}, true)).toBe(true);
    expect(cordoned({}, false)).toBe(false);
    expect(cordoned({ drain: 'Never' }, true)).toBe(false);
  });

  it('keeps out who has another’s identifier', () => {
    const twice = [
      cameraNamed('door', { identifier: 'B'.repeat(22), bridge: { servers: ['nuc'] } }),
      cameraNamed('gate', { identifier: 'B'.repeat(22), bridge: { servers: ['nuc'] } }),
    ];
    const home = { homeServers: [serverNamed('nuc')], cameraClients: twice };
    expect(named(sentTo('nuc', home).cameraClients)).toEqual(['door']);
    expect(camerasOf('nuc', surveyWorld(worldOf(home), new Map()))).toEqual(['cams/door']);
  });
});

describe('a camera’s Secret', () => {
  const raw = (data: object) => ({
    metadata: { name: 'login', namespace: 'cams', annotations: { a: 'secret' } },
    data,
  });

  it('is sent with user name and password and nothing else', () => {
    const read = readCameraSecret(raw({ username: 'dQ==', password: 'cA==', other: 'eA==' }));
    expect(read).toEqual({ ...secretOf('login') });
  });

  it.each([{}, { username: 'dQ==' }, { password: 'cA==' }, { username: '', password: 'cA==' }])(
    'without one of them is said to be incomplete: %o',
    (data) => {
      expect(readCameraSecret(raw(data))).toBe('SecretIncomplete');
    },
  );
});
