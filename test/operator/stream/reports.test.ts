import { describe, expect, it } from 'vitest';
import type { CameraReport, Report, ServerReport } from '../../../crds/operator-messages.ts';
import { judgeReport } from '../../../operator/stream/reports.ts';

const camera = (name: string): CameraReport => ({
  name,
  handovers: 0,
  framesLost: 0,
  isBufferSufficient: true,
});
const server: ServerReport = {
  identifier: 'hcsp:/PtPvXYJSQsqwTJpPGjwog',
  features: [],
  missingFeatures: [],
  level: 1,
  max: 16,
  isDraining: false,
  hears: [],
  ranking: [],
  clients: [],
};
const report: Report = {
  kind: 'report',
  trustRevision: 1,
  snapshotRevision: 1,
  server,
  cameras: [camera('cams/door'), camera('cams/gate')],
  anchorUses: {},
};
const nuc = { role: 'server', id: 'hcsp:/PtPvXYJSQsqwTJpPGjwog', name: 'nuc' } as const;

describe('a report', () => {
  it('of a server with its own cameras counts whole', () => {
    expect(judgeReport(nuc, report, () => true)).toEqual({ report, foreign: 0 });
  });

  it('counts without the cameras that are not assigned to its sender', () => {
    const judged = judgeReport(nuc, report, (name) => name === 'cams/gate');
    expect(judged.report.cameras).toEqual([camera('cams/gate')]);
    expect([judged.foreign, judged.report.server]).toEqual([1, server]);
  });

  it('counts without a server that is not its sender', () => {
    const other = { ...nuc, id: 'hcsp:gc3YWhxMRQGVbboYIEgxwA' } as const;
    const judged = judgeReport(other, report, () => true);
    expect([judged.foreign, judged.report]).toEqual([1, { ...report, server: undefined }]);
    expect(judged.report).not.toHaveProperty('server');
  });

  it('of a native client counts for that client alone, whatever is assigned', () => {
    const door = { role: 'client', id: 'ab:EIW6Qe0ARnWrsJZTsHWada', name: 'cams/door' } as const;
    const judged = judgeReport(door, report, () => true);
    expect([judged.foreign, judged.report.cameras]).toEqual([2, [camera('cams/door')]]);
    expect(judged.report).not.toHaveProperty('server');
  });
});
