import { describe, expect, it } from 'vitest';
import { cameraClientReasons, homeServerReasons } from '../../../operator/reconcile/condition-reasons.ts';
import { decidePass } from '../../../operator/reconcile/pass.ts';
import {
  agentNamed,
  cameraNamed,
  cameraReport,
  conditionOf,
  noonMs,
  passOver,
  serverNamed,
  serverReport,
  worldOf,
  type WorldParts,
} from '../../support/cluster-world.ts';

/** A home, whose condition, and which reason it must have; `says`: what its message must name. */
interface Case {
  readonly home: WorldParts;
  readonly key: string;
  readonly type: string;
  readonly reason: string;
  readonly says?: string;
}

const nuc = serverNamed('nuc');
const pi = serverNamed('pi');
const silent = (forMs: number) => ({ silentSinceMs: noonMs - forMs });
const oneServer = (said: Parameters<typeof serverReport>[1] = {}) => ({
  homeServers: [nuc],
  agents: [agentNamed('nuc', { server: serverReport('nuc', said) })],
});
const key = `sha256:${'a'.repeat(64)}`;
const external = { external: { address: 'shed.lan:17320', publicKey: key } };
const client = { name: 'cams/door', isStreaming: true, why: 'best here' };

const serverCases: readonly Case[] = [
  { home: oneServer(), key: 'nuc', type: 'Ready', reason: 'AgentReady' },
  {
    home: { homeServers: [nuc] },
    key: 'nuc',
    type: 'Ready',
    reason: 'AgentNeverSeen',
    says: 'spec.nodeName=nuc',
  },
  {
    home: { homeServers: [serverNamed('shed', external)] },
    key: 'shed',
    type: 'Ready',
    reason: 'AgentNeverSeen',
    says: 'homing agent --operator',
  },
  {
    home: { homeServers: [nuc], agents: [agentNamed('nuc', {}, silent(30_000))] },
    key: 'nuc',
    type: 'Ready',
    reason: 'AgentLost',
    says: 'since 2026-07-01T11:59:30.000Z',
  },
  {
    home: { homeServers: [nuc], agents: [agentNamed('nuc', {}, silent(29_999))] },
    key: 'nuc',
    type: 'Ready',
    reason: 'AgentReady',
  },
  {
    home: { ...oneServer(), nodes: [{ name: 'pi' }] },
    key: 'nuc',
    type: 'Ready',
    reason: 'NodeNotFound',
    says: 'no node called nuc',
  },
  {
    home: oneServer({ features: [], missingFeatures: ['record', 'gpu'] }),
    key: 'nuc',
    type: 'Ready',
    reason: 'FeaturesMissing',
    says: 'record, gpu',
  },
  {
    home: { homeServers: [nuc], agents: [agentNamed('nuc', { problem: 'spec.sinks[0]: no such disk' })] },
    key: 'nuc',
    type: 'Ready',
    reason: 'ResourcesRefused',
    says: 'no such disk',
  },
  {
    home: {
      homeServers: [
        serverNamed('a', { identifier: 'A'.repeat(22) }, { creationTimestamp: '2026-02-01T00:00:00Z' }),
        serverNamed('b', { identifier: 'A'.repeat(22) }),
      ],
    },
    key: 'a',
    type: 'Ready',
    reason: 'DuplicateIdentifier',
    says: 'HomeServer b is older',
  },
  {
    home: { homeServers: [serverNamed('hut', external), serverNamed('shed', external)] },
    key: 'shed',
    type: 'Ready',
    reason: 'DuplicateKey',
    says: 'HomeServer hut is older',
  },
  {
    home: { ...oneServer(), keysInUse: new Map([['nuc', 'another key asked at 12:00']]) },
    key: 'nuc',
    type: 'Ready',
    reason: 'KeyInUse',
    says: 'another key',
  },
  { home: oneServer(), key: 'nuc', type: 'Heard', reason: 'Alone' },
  { home: { homeServers: [nuc] }, key: 'nuc', type: 'Heard', reason: 'Unreported' },
  {
    home: {
      homeServers: [nuc, pi],
      agents: [agentNamed('nuc'), agentNamed('pi', { server: serverReport('pi', { hears: ['nuc'] }) })],
    },
    key: 'nuc',
    type: 'Heard',
    reason: 'HeardByAll',
  },
  {
    home: { homeServers: [nuc, pi], agents: [agentNamed('nuc'), agentNamed('pi')] },
    key: 'nuc',
    type: 'Heard',
    reason: 'Listening',
  },
  { home: oneServer(), key: 'nuc', type: 'Drained', reason: 'NotDraining' },
  { home: { homeServers: [nuc] }, key: 'nuc', type: 'Drained', reason: 'Unreported' },
  { home: oneServer({ isDraining: true }), key: 'nuc', type: 'Drained', reason: 'Drained' },
  {
    home: oneServer({ isDraining: true, clients: [client] }),
    key: 'nuc',
    type: 'Drained',
    reason: 'NobodyElse',
  },
  {
    home: {
      homeServers: [nuc, pi],
      agents: [
        agentNamed('nuc', { server: serverReport('nuc', { isDraining: true, clients: [client] }) }),
        agentNamed('pi', { server: serverReport('pi', { max: 1, clients: [client] }) }),
      ],
    },
    key: 'nuc',
    type: 'Drained',
    reason: 'NobodyElse',
  },
  {
    home: {
      homeServers: [nuc, pi],
      agents: [
        agentNamed('nuc', { server: serverReport('nuc', { isDraining: true, clients: [client] }) }),
        agentNamed('pi'),
      ],
    },
    key: 'nuc',
    type: 'Drained',
    reason: 'Draining',
  },
];

/** A camera that the server nuc bridges, and what nuc says of it. */
function bridged(
  facts: Parameters<typeof cameraReport>[1] = {},
  spec: object = {},
  said: Parameters<typeof serverReport>[1] = {},
): WorldParts {
  return {
    homeServers: [nuc],
    cameraClients: [cameraNamed('door', spec)],
    agents: [
      agentNamed('nuc', { server: serverReport('nuc', said), cameras: [cameraReport('door', facts)] }),
    ],
  };
}
const door = { key: 'cams/door' };
const sourceSays = (reason: string, isReady: boolean) =>
  bridged({ source: { isReady, reason, message: `the agent says ${reason}` } });

const streaming = { server: 'nuc' };
const native = { source: { native: {} } };

const cameraCases: readonly Case[] = [
  { ...door, home: bridged(streaming), type: 'Ready', reason: 'Streaming' },
  { ...door, home: bridged({}, { suspend: true }), type: 'Ready', reason: 'Suspended' },
  { ...door, home: bridged({}, { suspend: true }), type: 'SourceReady', reason: 'Suspended' },
  { ...door, home: bridged({}, { suspend: true }), type: 'Placed', reason: 'Suspended' },
  {
    ...door,
    home: bridged({ source: { isReady: false, reason: 'TimedOut', message: 'does not answer' } }),
    type: 'Ready',
    reason: 'SourceNotReady',
    says: 'does not answer',
  },
  { ...door, home: bridged(), type: 'Ready', reason: 'NotPlaced' },
  { ...door, home: { cameraClients: [cameraNamed('door')] }, type: 'Ready', reason: 'NoBridge' },
  {
    ...door,
    home: { ...bridged(), cameraClients: [cameraNamed('door', { bridge: { servers: ['attic', 'hut'] } })] },
    type: 'Ready',
    reason: 'BridgeNotFound',
    says: 'attic or hut: there are nuc',
  },
  {
    ...door,
    home: {
      homeServers: [nuc],
      cameraClients: [cameraNamed('door', { bridge: { servers: ['nuc'] } })],
      agents: [agentNamed('nuc', {}, silent(60_000))],
    },
    type: 'Ready',
    reason: 'BridgeLost',
    says: 'nuc',
  },
  {
    ...door,
    home: bridged({ problem: 'spec.source.rtmp: this version cannot open it' }),
    type: 'Ready',
    reason: 'BridgeRefused',
    says: 'nuc says: spec.source.rtmp',
  },
  ...(['SecretNotFound', 'SecretIncomplete', 'SecretUnreadable'] as const).map((reason) => ({
    ...door,
    home: {
      ...bridged(streaming, {
        source: { rtsp: { url: 'rtsp://c/1' }, credentialsRef: { name: 'door-login' } },
      }),
      credentialProblems: new Map([['cams/door', reason]]),
    },
    type: 'Ready',
    reason,
    says: 'Secret cams/door-login',
  })),
  {
    ...door,
    home: {
      cameraClients: [
        cameraNamed(
          'door',
          { ...native, identifier: 'B'.repeat(22) },
          { creationTimestamp: '2026-02-01T00:00:00Z' },
        ),
        cameraNamed('gate', { ...native, identifier: 'B'.repeat(22) }),
      ],
    },
    type: 'Ready',
    reason: 'DuplicateIdentifier',
    says: 'CameraClient cams/gate',
  },
  {
    key: 'cams/gate',
    home: {
      homeServers: [serverNamed('shed', external)],
      cameraClients: [
        cameraNamed(
          'gate',
          { source: { native: { publicKey: key } } },
          { creationTimestamp: '2026-03-01T00:00:00Z' },
        ),
      ],
    },
    type: 'Ready',
    reason: 'DuplicateKey',
    says: 'HomeServer shed',
  },
  {
    ...door,
    home: {
      cameraClients: [cameraNamed('door', native)],
      keysInUse: new Map([['cams/door', 'another key asked']]),
    },
    type: 'Ready',
    reason: 'KeyInUse',
    says: 'another key',
  },
  { ...door, home: { cameraClients: [cameraNamed('door', native)] }, type: 'Ready', reason: 'NeverSeen' },
  { ...door, home: { cameraClients: [cameraNamed('door', native)] }, type: 'SourceReady', reason: 'Native' },
  ...(
    [
      'Unauthorized',
      'NotFound',
      'Busy',
      'Refused',
      'Unreachable',
      'TimedOut',
      'NothingToRead',
      'NoDecodingTimes',
      'FfmpegMissing',
      'Silent',
      'Ended',
      'ReadFailed',
      'Failed',
    ] as const
  ).map((reason) => ({
    ...door,
    home: sourceSays(reason, false),
    type: 'SourceReady',
    reason,
    says: 'the agent says',
  })),
  ...(['Reading', 'Playing', 'NotKept'] as const).map((reason) => ({
    ...door,
    home: sourceSays(reason, true),
    type: 'SourceReady',
    reason,
  })),
  { ...door, home: sourceSays('BrandNew', false), type: 'SourceReady', reason: 'Failed', says: 'BrandNew' },
  { ...door, home: sourceSays('BrandNew', true), type: 'SourceReady', reason: 'Reading' },
  {
    ...door,
    home: {
      ...bridged(),
      agents: [
        agentNamed('nuc', {
          cameras: [{ name: 'cams/door', handovers: 0, framesLost: 0, isBufferSufficient: true }],
        }),
      ],
    },
    type: 'SourceReady',
    reason: 'Starting',
  },
  {
    ...door,
    home: { homeServers: [nuc], cameraClients: [cameraNamed('door')] },
    type: 'SourceReady',
    reason: 'Unreported',
  },
  { ...door, home: bridged(streaming), type: 'Placed', reason: 'Placed', says: 'nuc' },
  {
    ...door,
    home: bridged({}, { selection: { requires: ['gpu', 'record'] } }),
    type: 'Placed',
    reason: 'RequirementsUnmet',
    says: 'gpu and record',
  },
  {
    ...door,
    home: bridged(streaming, { selection: { requires: ['gpu', 'record', 'x'] } }),
    type: 'Placed',
    reason: 'RequirementsUnmet',
    says: 'It streams to nuc, which has no gpu and no x.',
  },
  { ...door, home: bridged({}, {}, { max: 1, clients: [client] }), type: 'Placed', reason: 'NoRoom' },
  { ...door, home: bridged({}, {}, { isDraining: true }), type: 'Placed', reason: 'NoRoom' },
  { ...door, home: bridged(), type: 'Placed', reason: 'NoServer' },
  { ...door, home: bridged(streaming), type: 'BufferSufficient', reason: 'RingHolds' },
  { ...door, home: bridged({ isBufferSufficient: false }), type: 'BufferSufficient', reason: 'RingShort' },
  { ...door, home: { cameraClients: [cameraNamed('door')] }, type: 'BufferSufficient', reason: 'Unreported' },
];

const nameOf = ({ type, reason, key: whose, says = '' }: Case) => `${whose} ${type} ${reason} ${says}`;

describe('conditions', () => {
  it.each(serverCases.map((one) => [nameOf(one), one] as const))('of a HomeServer: %s', (_, one) => {
    expectCondition(one, homeServerReasons);
  });

  it.each(cameraCases.map((one) => [nameOf(one), one] as const))('of a CameraClient: %s', (_, one) => {
    expectCondition(one, cameraClientReasons);
  });

  it('are each shown to come about, but for those that take time', () => {
    const shown = (cases: readonly Case[]) => new Set(cases.map(({ type, reason }) => `${type} ${reason}`));
    const missing = (reasons: object, cases: readonly Case[]) =>
      Object.entries(reasons)
        .flatMap(([type, notes]) => Object.keys(notes).map((reason) => `${type} ${reason}`))
        .filter((each) => !shown(cases).has(each));
    expect(missing(homeServerReasons, serverCases)).toEqual([
      'Ready Invalid',
      'Heard NotHeardBySome',
      'Heard NotHeardByAnyone',
    ]);
    expect(missing(cameraClientReasons, cameraCases)).toEqual(['Ready Invalid', 'Placed Unreported']);
  });

  it('say of a resource that cannot be read what is wrong, and nothing of others changes', () => {
    const message = 'spec.max: must be a number';
    const invalid = { kind: 'HomeServer', name: 'bad', generation: 3, conditions: [], message } as const;
    const pass = decidePass(worldOf(oneServer()), new Map(), [invalid]);
    expect(conditionOf(pass, 'bad', 'Ready')).toMatchObject({ status: 'False', reason: 'Invalid', message });
    expect(conditionOf(pass, 'bad', 'Ready')?.observedGeneration).toBe(3);
    expect(conditionOf(pass, 'nuc', 'Ready')?.reason).toBe('AgentReady');
  });

  it('keep the time of their last transition while only reason or message change', () => {
    const first = passOver({ homeServers: [nuc] });
    const before = conditionOf(first, 'nuc', 'Ready');
    const status = first.statuses[0]?.status ?? {};
    const later = passOver({
      homeServers: [{ ...nuc, status }],
      nowMs: noonMs + 5000,
      agents: [agentNamed('nuc', { problem: 'no' })],
    });
    const after = conditionOf(later, 'nuc', 'Ready');
    expect(after?.reason).not.toBe(before?.reason);
    expect(after?.lastTransitionTime).toBe(before?.lastTransitionTime);
    const ready = passOver({ ...oneServer(), homeServers: [{ ...nuc, status }], nowMs: noonMs + 9000 });
    expect(conditionOf(ready, 'nuc', 'Ready')?.lastTransitionTime).toBe('2026-07-01T12:00:09.000Z');
  });
});

function expectCondition({ home, key: whose, type, reason, says = '' }: Case, table: object): void {
  const condition = conditionOf(passOver(home), whose, type);
  expect(condition?.reason).toBe(reason);
  expect(condition?.message).toContain(says);
  const note: unknown = Reflect.get(Reflect.get(table, type), reason);
  expect(note).toMatchObject({ status: condition?.status });
}
