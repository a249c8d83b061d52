import { describe, expect, it } from 'vitest';
import { planClusterRank, readClusterHome } from '../../cli/cluster-home.ts';
import { describeClusterHome } from '../../cli/cluster-view.ts';
import { decidePass } from '../../operator/reconcile/pass.ts';
import {
  afterPass,
  agentNamed,
  cameraNamed,
  cameraReport,
  serverNamed,
  serverReport,
  worldOf,
} from '../support/cluster-world.ts';

const world = worldOf({
  homeServers: [serverNamed('pi'), serverNamed('nuc'), serverNamed('attic')],
  cameraClients: [
    cameraNamed('door', { bridge: { servers: ['nuc'] } }),
    cameraNamed('gate', { bridge: { servers: ['nuc'] }, selection: { requires: ['gpu'] } }),
  ],
  agents: [
    agentNamed('pi'),
    agentNamed('nuc', {
      server: serverReport('nuc', {
        features: ['record', 'live'],
        clients: [{ name: 'cams/door', isStreaming: true, why: 'best here: level 2' }],
      }),
      cameras: [
        cameraReport('door', {
          server: 'nuc',
          handovers: 2,
          lastHandover: {
            from: 'pi',
            to: 'nuc',
            reason: 'rank',
            time: '2026-07-01T11:00:00Z',
            milliseconds: 143,
            framesLost: 0,
            framesRepeated: 1,
          },
        }),
        cameraReport('gate'),
      ],
    }),
  ],
});
const written = afterPass(world, decidePass(world, new Map()));
const bad = {
  apiVersion: 'homing.dev/v1alpha1',
  kind: 'HomeServer',
  metadata: { name: 'bad' },
  spec: { max: 'many' },
};
const home = readClusterHome({
  homeServers: [...written.homeServers, bad],
  cameraClients: written.cameraClients,
});

describe('the page of a cluster', () => {
  it('shows servers best first with why, cameras with where and why, and what is to be done', () => {
    const lines = describeClusterHome(home).map((line) => line.replaceAll(/ {2,}/g, '  ').trim());
    expect(lines).toEqual([
      'SERVERS, best first',
      '1.  nuc  AgentReady  1 of 16 clients  level 2 (record+live)  heard by 0/1  best: level 2 (record+live) against 1 (record) of pi',
      '2.  pi  AgentReady  0 of 16 clients  level 1 (record)  heard by 0/1  nuc is best: level 2 (record+live) against 1 (record)',
      '-  attic  AgentNeverSeen  takes no clients now: nuc is best',
      '',
      'CAMERAS',
      'cams/door  → nuc  Streaming  2 handovers, 0 frames lost, last pi → nuc at 2026-07-01T11:00:00Z  best here: level 2',
      'cams/gate  no server  NotPlaced  0 handovers, 0 frames lost',
      '',
      'TO DO',
      expect.stringMatching(
        /^HomeServer attic {2}AgentNeverSeen {2}No agent called attic has reported yet: see kubectl/,
      ),
      expect.stringMatching(
        /^CameraClient gate {2}NotPlaced {2}No server announces gpu\. Give a server that feature/,
      ),
      '',
      'UNREADABLE',
      expect.stringMatching(/^HomeServer {2}bad {2}spec\.max: /),
    ]);
  });

  it('says that nothing is there where nothing is', () => {
    const empty = readClusterHome({ homeServers: [], cameraClients: [] });
    expect(describeClusterHome(empty)).toEqual(['no HomeServer is there yet']);
  });
});

describe('the plan of a cluster', () => {
  it('goes by what servers announce now, and by their identifiers', () => {
    const { servers, clients } = planClusterRank(home);
    expect(servers.map(({ name, isDrained }) => [name, isDrained])).toEqual([
      ['nuc', false],
      ['pi', false],
      ['attic', true],
    ]);
    expect(clients).toMatchObject([
      { name: 'cams/door', server: 'nuc', tiedWith: [] },
      { name: 'cams/gate', why: expect.stringContaining('nuc has no gpu') },
    ]);
    expect(clients[1]).not.toHaveProperty('server');
  });
});
