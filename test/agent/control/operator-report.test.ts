import { describe, expect, it } from 'vitest';
import { makeReport, type ReportedStatus } from '../../../agent/control/operator-report.ts';
import { report as reportSchema } from '../../../crds/operator-messages.ts';

type Camera = ReportedStatus['cameras'][number];

const camera = (more: Partial<Camera> = {}): Camera => ({
  name: 'cams/door',
  stream: 'main',
  term: 1,
  phase: 'stream',
  server: { id: 'hcsp:/PtPvXYJSQsqwTJpPGjwog', name: 'nuc' },
  produced: 5000,
  sent: 4000,
  durable: 3000,
  ringStart: 2000,
  shareBytes: 1e6,
  handovers: 1,
  framesLost: 0,
  framesRepeated: 2,
  bytesLost: 0,
  bytesExposed: 0,
  moveAfterMs: 0,
  ...more,
});
const server = (why: string): NonNullable<ReportedStatus['server']> => ({
  id: 'hcsp:/PtPvXYJSQsqwTJpPGjwog',
  name: 'nuc',
  features: ['record'],
  missingFeatures: [],
  level: 1,
  max: 16,
  connected: 1,
  isDraining: false,
  boot: 1,
  clients: [
    {
      id: 'ab:EIW6Qe0ARnWrsJZTsHWada',
      name: 'cams/door',
      streams: ['main'],
      term: 1,
      isStreaming: true,
      why,
    },
  ],
  peers: [],
  ranking: [],
  port: 17_320,
  endpoints: [{ ip: '192.168.1.9', port: 17_320 }],
  sessions: [],
  dropped: {},
});
const certificates = [
  { name: 'nuc', notAfterMs: Date.UTC(2030, 0), anchorSha256: 'aa', isDue: false },
  { name: 'cams/door', notAfterMs: Date.UTC(2030, 0), anchorSha256: 'aa', isDue: false },
  { name: 'cams/gate', notAfterMs: Date.UTC(2030, 0), anchorSha256: '', isDue: false },
];
const inUse = { trustRevision: 7, snapshotRevision: 9, cameraProblems: new Map(), certificates };
const status = (more: Partial<ReportedStatus> = {}): ReportedStatus => ({
  name: 'nuc',
  server: server('best here'),
  cameras: [camera()],
  handovers: [],
  ...more,
});

describe('what an agent reports', () => {
  it('is as the operator’s schema has it, nothing left out and nothing more', () => {
    const made = makeReport(status(), inUse);
    expect(reportSchema.parse(made)).toEqual(made);
    expect(made.server).toMatchObject({
      address: '192.168.1.9:17320',
      certificate: { notAfter: '2030-01-01T00:00:00.000Z', anchorSha256: 'aa' },
    });
    expect(made.anchorUses).toEqual({ aa: 2 });
  });

  it('does not change with bytes, nor while a time runs down', () => {
    const before = status({
      server: server('pi is better (level 2), but: held down, 12 s more, as its link was lost'),
    });
    const later = status({
      server: server('pi is better (level 2), but: held down, 11 s more, as its link was lost'),
      cameras: [camera({ produced: 9000, sent: 8000, durable: 7000, ringStart: 6000 })],
    });
    expect(makeReport(later, inUse)).toEqual(makeReport(before, inUse));
    expect(makeReport(before, inUse).server?.clients[0]?.why).toContain('held down, as its link was lost');
  });

  it('says of a camera that is not run why, and of one that runs in its old form too', () => {
    const cameraProblems = new Map([
      ['cams/gate', 'no password'],
      ['cams/door', `x${'y'.repeat(2000)}`],
    ]);
    const made = makeReport(status(), { ...inUse, cameraProblems, problem: 'z'.repeat(2000) });
    expect(made.cameras.map(({ name, server: at }) => [name, at])).toEqual([
      ['cams/door', 'nuc'],
      ['cams/gate', undefined],
    ]);
    expect(reportSchema.safeParse(made).success).toBe(true);
  });

  it('is there before the agent runs', () => {
    expect(reportSchema.parse(makeReport(undefined, inUse))).toMatchObject({ cameras: [], trustRevision: 7 });
  });
});
