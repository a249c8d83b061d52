import { describe, expect, it } from 'vitest';
import {
  agentMessage,
  enrol,
  enrolmentReply,
  maxAgentLineBytes,
  maxEnrolmentBytes,
  operatorMessage,
  type AgentMessage,
  type Enrol,
  type EnrolmentReply,
  type OperatorMessage,
} from '../../crds/operator-messages.ts';

const time = '2026-11-25T12:00:00Z';
const trust = { revision: 7, anchorsPem: 'PEM', denyText: '' };
const text = (length: number) => 'a'.repeat(length);

const server = {
  identifier: '/PtPvXYJSQsqwTJpPGjwog',
  address: '[fd00::9]:17320',
  features: ['record'],
  missingFeatures: ['gpu'],
  level: 1,
  max: 16,
  isDraining: false,
  hears: ['nuc'],
  ranking: [{ name: 'nuc', why: 'level 3 against 2' }],
  clients: [{ name: 'yard/door', isStreaming: true, why: 'rank' }],
  certificate: { notAfter: time, anchorSha256: text(64) },
};
const camera = {
  name: 'yard/door',
  server: 'nuc',
  media: 'video/mp2t',
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
  source: { isReady: true, reason: 'Reading', message: '' },
  isBufferSufficient: true,
};
const report = {
  kind: 'report' as const,
  trustRevision: 7,
  snapshotRevision: 3,
  server,
  cameras: [camera],
  anchorUses: { [text(64)]: 4 },
};
const snapshot = {
  kind: 'snapshot' as const,
  revision: 3,
  homeServers: [{ kind: 'HomeServer', spec: { ofALaterVersion: 1 } }],
  cameraClients: [],
  secrets: [],
  trust,
  isCordoned: false,
};

const enrolment: Enrol = { kind: 'enrol', versions: [1], version: '0.1.0', csrPem: 'CSR', token: 'T' };
const replies: readonly EnrolmentReply[] = [
  { kind: 'enrolled', version: 1, name: 'nuc', certificatePem: 'PEM', trust },
  { kind: 'refused', reason: 'PodForeign', message: 'look who', retryAfterMs: 5000 },
];
const fromAgent: readonly AgentMessage[] = [
  { kind: 'hello', versions: [2, 1], version: '0.1.0' },
  report,
  { kind: 'request', name: 'yard/door', csrPem: 'CSR' },
  { kind: 'ping' },
];
const fromOperator: readonly OperatorMessage[] = [
  { kind: 'hello', versions: [1], version: '0.1.0' },
  snapshot,
  { kind: 'certificate', name: 'nuc', certificatePem: 'PEM' },
  { kind: 'refused', name: 'yard/door', reason: 'NotAssigned', message: 'another one is its bridge' },
  { kind: 'ping' },
];

describe('messages between agents and the operator', () => {
  it.each([
    ...[enrolment].map((message) => [message.kind, enrol, message] as const),
    ...replies.map((message) => [message.kind, enrolmentReply, message] as const),
    ...fromAgent.map((message) => [message.kind, agentMessage, message] as const),
    ...fromOperator.map((message) => [message.kind, operatorMessage, message] as const),
  ])(
    '%s is the same after its way as a line, and without fields that it does not know',
    (_kind, schema, message) => {
      const line = JSON.stringify({ ...message, fieldOfALaterVersion: { deep: [1] } });
      expect(schema.parse(JSON.parse(line))).toEqual(message);
    },
  );

  it('ignores unknown fields at every depth of a report', () => {
    const later = {
      ...report,
      server: { ...server, load: 0.5, clients: [{ ...server.clients[0], since: time }] },
      cameras: [{ ...camera, lastHandover: { ...camera.lastHandover, weather: 'rain' } }],
    };
    expect(agentMessage.parse(later)).toEqual(report);
  });

  it('leaves resources as they are: each side parses them by its own schema', () => {
    expect(operatorMessage.parse(snapshot)).toEqual(snapshot);
  });

  it('needs only what every version says', () => {
    const { server: _server, ...quiet } = report;
    expect(agentMessage.safeParse({ ...quiet, cameras: [] }).success).toBe(true);
    const { token: _token, ...pinned } = enrolment;
    expect(enrol.safeParse(pinned).success).toBe(true);
  });

  it.each([
    ['no object', 'hello'],
    ['null', null],
    ['a list', [{ kind: 'ping' }]],
    ['no kind', {}],
    ['a kind of the operator', snapshot],
    ['a kind that is not there', { kind: 'exec', command: 'id' }],
    ['a hello without versions', { kind: 'hello', versions: [], version: '1' }],
    [
      'a hello with 17 versions',
      { kind: 'hello', versions: Array.from({ length: 17 }, (_, n) => n), version: '1' },
    ],
    ['a version that is text', { kind: 'hello', versions: ['1'], version: '1' }],
    ['a version of 65 characters', { kind: 'hello', versions: [1], version: text(65) }],
    ['a request for nobody', { kind: 'request', name: '', csrPem: 'CSR' }],
    ['a request for a name of 254 characters', { kind: 'request', name: text(254), csrPem: 'CSR' }],
    ['a CSR of 8193 characters', { kind: 'request', name: 'nuc', csrPem: text(8193) }],
    ['a revision below 0', { ...report, trustRevision: -1 }],
    ['half a revision', { ...report, snapshotRevision: 1.5 }],
    ['1001 cameras', { ...report, cameras: Array.from({ length: 1001 }, () => camera) }],
    ['frames lost below 0', { ...report, cameras: [{ ...camera, framesLost: -1 }] }],
    ['frames lost beyond 2^53', { ...report, cameras: [{ ...camera, framesLost: 2 ** 53 }] }],
    [
      'a time that is none',
      { ...report, server: { ...server, certificate: { notAfter: 'soon', anchorSha256: 'a' } } },
    ],
    ['33 features', { ...report, server: { ...server, features: Array.from({ length: 33 }, () => 'f') } }],
    [
      '65 servers that it hears',
      { ...report, server: { ...server, hears: Array.from({ length: 65 }, () => 'n') } },
    ],
    ['a page of why', { ...report, server: { ...server, ranking: [{ name: 'n', why: text(257) }] } }],
    ['a problem of 1025 characters', { ...report, problem: text(1025) }],
  ])('refuses from an agent %s', (_what, message) => {
    expect(agentMessage.safeParse(message).success).toBe(false);
  });

  it.each([
    ['a kind of an agent', report],
    ['a snapshot before the first', { ...snapshot, revision: 0 }],
    ['a snapshot without trust', { ...snapshot, trust: undefined }],
    ['anchors of more than a megabyte', { ...snapshot, trust: { ...trust, anchorsPem: text(1_048_577) } }],
    ['1001 Secrets', { ...snapshot, secrets: Array.from({ length: 1001 }, () => ({})) }],
    ['a refusal without a reason', { kind: 'refused', reason: '', message: '' }],
    ['a certificate of 65537 characters', { kind: 'certificate', name: 'nuc', certificatePem: text(65_537) }],
  ])('refuses from the operator %s', (_what, message) => {
    expect(operatorMessage.safeParse(message).success).toBe(false);
  });

  it('has room in its lines for the largest token and CSR, and for a thousand cameras', () => {
    const largest: Enrol = {
      kind: 'enrol',
      versions: [1],
      version: text(64),
      // A CSR with an RSA key of 4096 bits, and a token, are about 2 KB each.
      csrPem: `${text(64)}\n`.repeat(60),
      token: text(8192),
    };
    expect(Buffer.byteLength(JSON.stringify(largest))).toBeLessThan(maxEnrolmentBytes);
    const busy = { ...report, cameras: Array.from({ length: 1000 }, () => camera) };
    expect(Buffer.byteLength(JSON.stringify(busy))).toBeLessThan(maxAgentLineBytes);
  });
});
