import { describe, expect, it } from 'vitest';
import { planBridges } from '../../../operator/reconcile/bridges.ts';
import { agentNamed, cameraNamed, serverNamed, worldOf } from '../../support/cluster-world.ts';

const names = ['a', 'b', 'c', 'd', 'e'];
const cameras = Array.from({ length: 200 }, (_, index) => cameraNamed(`cam${index}`));

function homeOf(servers: readonly string[], cameraClients = cameras, lost: readonly string[] = []) {
  const agents = servers.filter((name) => !lost.includes(name)).map((name) => agentNamed(name));
  return worldOf({ homeServers: servers.map((name) => serverNamed(name)), cameraClients, agents });
}

/** The cameras, with what the operator has written of their bridges. */
function assigned(servers: readonly string[]) {
  const plans = planBridges(homeOf(servers));
  return cameras.map((camera) => {
    const [bridge = ''] = plans.get(`cams/${camera.metadata.name}`)?.servers ?? [];
    return { ...camera, status: { bridge } };
  });
}

describe('bridges that the operator chooses', () => {
  it('are two different servers, and every server gets its share', () => {
    const plans = [...planBridges(homeOf(names)).values()];
    expect(plans.every(({ servers }) => servers.length === 2 && servers[0] !== servers[1])).toBe(true);
    const shares = names.map((name) => plans.filter(({ servers }) => servers[0] === name).length);
    expect(Math.min(...shares)).toBeGreaterThan(20);
  });

  it('stay where they are when a server joins, and where their server is only lost', () => {
    const before = assigned(['a', 'b', 'c', 'd']);
    const bridge = (plans: ReturnType<typeof planBridges>) =>
      [...plans.values()].map(({ servers }) => servers[0]);
    const written = before.map(({ status }) => status.bridge);
    expect(bridge(planBridges(homeOf(names, before)))).toEqual(written);
    expect(bridge(planBridges(homeOf(['a', 'b', 'c', 'd'], before, ['b'])))).toEqual(written);
  });

  it('move only from a server whose node is gone', () => {
    const before = assigned(names);
    const plans = planBridges(homeOf(['a', 'b', 'c', 'd'], before));
    const after = before.map(({ metadata }) => plans.get(`cams/${metadata.name}`)?.servers[0]);
    const moved = before.flatMap(({ status }, index) =>
      after[index] === status.bridge ? [] : status.bridge,
    );
    expect([...new Set(moved)]).toEqual(['e']);
    expect(after).not.toContain('e');
  });

  it('are on no server that is not a node, and none where no agent reports', () => {
    const external = serverNamed('shed', { external: {} });
    const home = worldOf({
      homeServers: [external],
      cameraClients: [cameraNamed('door')],
      agents: [agentNamed('shed')],
    });
    expect(planBridges(home).get('cams/door')).toEqual({ servers: [], unknown: [] });
    expect(planBridges(homeOf(['a'], [cameraNamed('door')], ['a'])).get('cams/door')?.servers).toEqual([]);
  });
});

describe('bridges that a camera names', () => {
  it('are those that are there, in its order; external ones too', () => {
    const camera = cameraNamed('door', { bridge: { servers: ['shed', 'attic', 'a'] } });
    const home = worldOf({
      homeServers: [serverNamed('a'), serverNamed('shed', { external: {} })],
      cameraClients: [camera],
    });
    expect(planBridges(home).get('cams/door')).toEqual({ servers: ['shed', 'a'], unknown: ['attic'] });
  });

  it('are none for a native client, which is its own', () => {
    const home = homeOf(['a'], [cameraNamed('door', { source: { native: {} } })]);
    expect(planBridges(home).get('cams/door')?.servers).toEqual([]);
  });
});
