import { describe, expect, it } from 'vitest';
import { findNodeServer, findPinned, findRequested } from '../../../operator/issue/subjects.ts';
import { surveyWorld } from '../../../operator/reconcile/survey.ts';
import { cameraNamed, serverNamed, worldOf, type WorldParts } from '../../support/cluster-world.ts';

const [key, other] = ['a'.repeat(64), 'b'.repeat(64)];
const [mine, yours] = ['A'.repeat(22), 'B'.repeat(22)];
const pin = { publicKey: `sha256:${key}` };
const survey = (world: WorldParts) => surveyWorld(worldOf(world), new Map());
const younger = { creationTimestamp: '2026-02-01T00:00:00Z' };
const uid = '00000000-0000-0000-0000-000000000001';
const shown = (found: ReturnType<typeof findPinned>) => (found.ok ? found.value : found.reason);

describe('whom a pinned key is for', () => {
  const cabin = serverNamed('cabin', { identifier: mine, external: pin });
  const phone = cameraNamed('phone', { identifier: mine, source: { native: pin } });

  it('is the external server or the native camera that pins it', () => {
    expect(shown(findPinned(key, survey({ homeServers: [cabin] })))).toEqual({
      id: `hcsp:${mine}`,
      name: 'cabin',
    });
    expect(shown(findPinned(key, survey({ cameraClients: [phone] })))).toEqual({
      id: `ab:${mine}`,
      name: 'cams/phone',
    });
  });

  it('is nobody where nothing pins it, and says which hash to pin', () => {
    expect(findPinned(other, survey({ homeServers: [cabin] }))).toMatchObject({
      reason: 'KeyUnknown',
      detail: expect.stringContaining(`sha256:${other}`),
    });
  });

  it('is the older resource where two pin it: nobody is locked out by a copy', () => {
    const copy = cameraNamed('copy', { identifier: yours, source: { native: pin } }, younger);
    expect(shown(findPinned(key, survey({ cameraClients: [copy, phone] })))).toMatchObject({
      name: 'cams/phone',
    });
  });

  it('is nobody where it claims an older resource’s identifier', () => {
    const door = cameraNamed('door', { identifier: mine });
    const thief = cameraNamed('thief', { identifier: mine, source: { native: pin } }, younger);
    expect(shown(findPinned(key, survey({ cameraClients: [thief, door] })))).toBe('Duplicate');
  });

  it('is nobody where it claims an identifier that was made of an older resource’s UID', () => {
    const door = cameraNamed('door', {}, { uid });
    const found = findRequested(
      { asker: { name: 'nuc', spkiSha256: other }, name: 'cams/door', spkiSha256: key },
      survey({
        homeServers: [serverNamed('nuc')],
        cameraClients: [cameraNamed('door', { bridge: { servers: ['nuc'] } }, { uid })],
      }),
    );
    const identifier = found.ok ? found.value.id.slice(3) : '';
    expect(identifier).toHaveLength(22);
    const thief = cameraNamed('thief', { identifier, source: { native: pin } }, younger);
    expect(shown(findPinned(key, survey({ cameraClients: [door, thief] })))).toBe('Duplicate');
  });
});

describe('the server of a node', () => {
  it('has the identifier of its resource, else one made of its UID that stays', () => {
    const named = serverNamed('nuc', { identifier: mine });
    expect(shown(findNodeServer(named, survey({ homeServers: [named] })))).toEqual({
      id: `hcsp:${mine}`,
      name: 'nuc',
    });
    const made = serverNamed('nuc', {}, { uid });
    const found = shown(findNodeServer(made, survey({ homeServers: [made] })));
    expect(found).toEqual({ id: 'hcsp:AAAAAAAAAAAAAAAAAAAAAQ', name: 'nuc' });
  });

  it('gets nothing where it is external or repeats an older one', () => {
    const external = serverNamed('nuc', { external: pin });
    expect(shown(findNodeServer(external, survey({ homeServers: [external] })))).toBe('NodeExternal');
    const [first, second] = [
      serverNamed('pi', { identifier: mine }),
      serverNamed('nuc', { identifier: mine }, younger),
    ];
    expect(shown(findNodeServer(second, survey({ homeServers: [first, second] })))).toBe('Duplicate');
  });
});

describe('what somebody may ask for over its stream', () => {
  const world = survey({
    homeServers: ['nuc', 'pi', 'hut'].map((name, index) =>
      serverNamed(name, { identifier: String.fromCodePoint(65 + index).repeat(22) }),
    ),
    cameraClients: [
      cameraNamed('door', { identifier: 'D'.repeat(22), bridge: { servers: ['nuc', 'pi'] } }),
      cameraNamed('phone', { identifier: 'E'.repeat(22), source: { native: pin } }),
    ],
  });
  const ask = (asker: string, name: string, spkiSha256 = key) =>
    shown(findRequested({ asker: { name: asker, spkiSha256: key }, name, spkiSha256 }, world));

  it('is itself by the key that it is connected by, and cameras that it is a bridge of in whatever place', () => {
    expect(ask('nuc', 'nuc')).toMatchObject({ name: 'nuc' });
    expect(ask('cams/phone', 'cams/phone')).toMatchObject({ id: `ab:${'E'.repeat(22)}` });
    expect(ask('nuc', 'cams/door', other)).toMatchObject({ name: 'cams/door' });
    expect(ask('pi', 'cams/door', other)).toMatchObject({ name: 'cams/door' });
  });

  it.each([
    ['a camera that it is no bridge of', 'hut', 'cams/door', 'NotAssigned'],
    ['another server', 'nuc', 'pi', 'NotAssigned'],
    ['a native camera', 'nuc', 'cams/phone', 'NotAssigned'],
    ['a camera that is not there', 'nuc', 'cams/none', 'NotAssigned'],
    ['a bridged camera by that camera’s own certificate', 'cams/door', 'cams/door', 'NotAssigned'],
    ['a server, as a camera', 'cams/phone', 'nuc', 'NotAssigned'],
  ] as const)('is not %s', (_, asker, name, reason) => {
    expect(ask(asker, name, other)).toBe(reason);
  });

  it('is not itself by another key', () => {
    expect(ask('nuc', 'nuc', other)).toBe('KeyInUse');
    expect(ask('cams/phone', 'cams/phone', other)).toBe('KeyInUse');
  });
});
