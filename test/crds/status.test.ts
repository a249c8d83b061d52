import { describe, expect, it } from 'vitest';
import { cameraClient, type CameraClientStatus } from '../../crds/camera-client.ts';
import { homeServer, type HomeServerStatus } from '../../crds/home-server.ts';
import type { Condition } from '../../crds/metadata.ts';
import { trustBundle, type TrustBundleStatus } from '../../crds/trust-bundle.ts';

const time = '2026-11-25T12:00:00Z';
const ready: Condition = {
  type: 'Ready',
  status: 'True',
  reason: 'Heard',
  message: 'by 2/2',
  lastTransitionTime: time,
};

const serverStatus: HomeServerStatus = {
  observedGeneration: 3,
  identifier: '/PtPvXYJSQsqwTJpPGjwog',
  address: '192.168.1.9:17320',
  features: ['record'],
  level: 1,
  max: 16,
  clients: 3,
  rank: 1,
  heardBy: '2/3',
  notHeardBy: ['attic'],
  selection: { best: 'nuc', reason: 'same level 1, max 16 against 4', time },
  certificate: { notAfter: time, anchor: 'a' },
  agent: { version: '0.1.0' },
  conditions: [ready],
};
const clientStatus: CameraClientStatus = {
  server: 'nuc',
  bridge: 'pi',
  media: 'video/mp2t',
  selection: { reason: 'rank', time },
  handovers: 3,
  framesLost: 0,
  lastHandover: {
    from: 'pi',
    to: 'nuc',
    reason: 'rank',
    time,
    milliseconds: 143,
    framesLost: 0,
    framesRepeated: 7,
  },
  conditions: [ready],
};
const bundleStatus: TrustBundleStatus = {
  anchorCount: 1,
  synced: '3/3',
  anchors: [
    { sha256: 'a', subject: 'CN=home', notAfter: time, uses: 5, safeToRemove: false, retainedUntil: time },
  ],
  conditions: [ready],
};

const apiVersion = 'homing.dev/v1alpha1';

describe('a status', () => {
  it('is taken as the operator writes it', () => {
    const server = homeServer.parse({
      apiVersion,
      kind: 'HomeServer',
      metadata: { name: 'nuc' },
      spec: {},
      status: serverStatus,
    });
    expect(server.status).toEqual(serverStatus);
    const source = { native: {} };
    const client = cameraClient.parse({
      apiVersion,
      kind: 'CameraClient',
      metadata: { name: 'door' },
      spec: { source },
      status: clientStatus,
    });
    expect(client.status).toEqual(clientStatus);
    const deny = [{ sha256: 'a'.repeat(64) }];
    const bundle = trustBundle.parse({
      apiVersion,
      kind: 'TrustBundle',
      metadata: { name: 'home' },
      spec: { deny },
      status: bundleStatus,
    });
    expect(bundle.status).toEqual(bundleStatus);
  });

  it.each([
    { rank: -1 },
    { heardBy: 2 },
    { conditions: [{ type: 'Ready', status: 'Yes' }] },
    { selection: { time: 'noon' } },
  ])('is refused as %j', (status) => {
    expect(
      homeServer.safeParse({ apiVersion, kind: 'HomeServer', metadata: { name: 'nuc' }, spec: {}, status })
        .success,
    ).toBe(false);
  });
});
