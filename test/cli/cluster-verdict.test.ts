import { describe, expect, it } from 'vitest';
import { judgeServers } from '../../cli/cluster-verdict.ts';
import { homeServer, type HomeServer } from '../../crds/home-server.ts';

interface Said {
  readonly rank?: number;
  readonly clients?: number;
  readonly max?: number;
  readonly ready?: string;
  readonly heard?: string;
}

function server(
  name: string,
  { rank, clients = 0, max = 16, ready = 'True', heard = 'True' }: Said = {},
): HomeServer {
  const condition = (type: string, status: string) => ({
    type,
    status,
    reason: status === 'True' ? 'Fine' : 'Trouble',
    message: `${type} is ${status}`,
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
  return homeServer.parse({
    apiVersion: 'homing.dev/v1alpha1',
    kind: 'HomeServer',
    metadata: { name },
    spec: {},
    status: {
      identifier: 'hcsp:/PtPvXYJSQsqwTJpPGjwog',
      address: `192.168.1.${name.length}:17320`,
      clients,
      max,
      ...(rank === undefined ? {} : { rank }),
      conditions: [condition('Ready', ready), condition('Heard', heard)],
    },
  });
}

const declared = homeServer.parse({
  apiVersion: 'homing.dev/v1alpha1',
  kind: 'HomeServer',
  metadata: { name: 'next-year' },
  spec: {},
});

describe('the verdict on a cluster’s servers', () => {
  it('is good where each that has enrolled is ready and heard, best first', () => {
    const { problems, open } = judgeServers([
      server('pi', { rank: 2 }),
      declared,
      server('nuc', { rank: 1 }),
    ]);
    expect(problems).toEqual([]);
    expect(open.map(({ name }) => name)).toEqual(['nuc', 'pi']);
  });

  it('names each condition that is not True, with its reason', () => {
    const { problems } = judgeServers([
      server('pi', { ready: 'False' }),
      server('nuc', { heard: 'Unknown' }),
    ]);
    expect(problems).toEqual([
      'pi: Ready is False (Trouble): Ready is False',
      'nuc: Heard is Unknown (Trouble): Heard is Unknown',
    ]);
  });

  it('is not good where nobody has enrolled, or nothing was judged yet', () => {
    expect(judgeServers([declared]).problems).toEqual(['no HomeServer has enrolled yet']);
    const fresh = homeServer.parse({
      ...server('pi'),
      status: { identifier: 'hcsp:/PtPvXYJSQsqwTJpPGjwog' },
    });
    expect(judgeServers([fresh]).problems).toEqual([
      'pi: has no condition Ready yet',
      'pi: has no condition Heard yet',
    ]);
  });

  it('sends no test camera to servers that are full or drained', () => {
    const { open } = judgeServers([
      server('full', { rank: 1, clients: 2, max: 2 }),
      server('drained'),
      server('pi', { rank: 2 }),
    ]);
    expect(open.map(({ name }) => name)).toEqual(['pi']);
  });
});
