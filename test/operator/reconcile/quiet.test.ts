import { describe, expect, it } from 'vitest';
import { heardByOf, type Hearing } from '../../../operator/reconcile/hearing.ts';
import { decidePass } from '../../../operator/reconcile/pass.ts';
import { decideWrite, presentStatus } from '../../../operator/reconcile/status-writes.ts';
import {
  afterPass,
  agentNamed,
  cameraNamed,
  cameraReport,
  conditionOf,
  noonMs,
  serverNamed,
  serverReport,
  toldBy,
  worldOf,
} from '../../support/cluster-world.ts';

const [nuc, pi, hut] = [serverNamed('nuc'), serverNamed('pi'), serverNamed('hut')];
const hearing = (name: string, hears: readonly string[]) =>
  agentNamed(name, { server: serverReport(name, { hears: [...hears] }) });

describe('heardBy', () => {
  const all = [hearing('nuc', ['pi', 'hut']), hearing('pi', ['nuc', 'hut']), hearing('hut', ['nuc', 'pi'])];
  const deaf = [hearing('nuc', ['pi', 'hut']), hearing('pi', ['hut']), hearing('hut', ['nuc', 'pi'])];
  const home = { homeServers: [nuc, pi, hut] };

  it('counts a server that hears at once, and one that does not after 60 seconds', () => {
    const first = decidePass(worldOf({ ...home, agents: all }), new Map());
    expect(heardByOf(first.hearing, 'nuc')).toEqual({ heardBy: ['hut', 'pi'], notHeardBy: [], pending: [] });
    const lost = decidePass(worldOf({ ...home, agents: deaf, nowMs: noonMs + 1000 }), first.hearing);
    expect(heardByOf(lost.hearing, 'nuc').notHeardBy).toEqual([]);
    expect(lost.dueMs).toBe(noonMs + 61_000);
    const still = decidePass(worldOf({ ...home, agents: deaf, nowMs: noonMs + 60_999 }), lost.hearing);
    expect(heardByOf(still.hearing, 'nuc').notHeardBy).toEqual([]);
    const shown = decidePass(worldOf({ ...home, agents: deaf, nowMs: noonMs + 61_000 }), still.hearing);
    expect(heardByOf(shown.hearing, 'nuc')).toEqual({ heardBy: ['hut'], notHeardBy: ['pi'], pending: [] });
    expect(conditionOf(shown, 'nuc', 'Heard')).toMatchObject({
      reason: 'NotHeardBySome',
      message: expect.stringContaining('pi does not hear nuc'),
    });
    const back = decidePass(worldOf({ ...home, agents: all, nowMs: noonMs + 61_500 }), shown.hearing);
    expect(heardByOf(back.hearing, 'nuc').notHeardBy).toEqual([]);
  });

  it('says nothing of a link that is down for less than a minute, however often', () => {
    let memory: Hearing = new Map();
    const shown = new Set<number>();
    for (let second = 0; second < 600; second += 10) {
      const agents = second % 50 === 0 ? all : deaf;
      const pass = decidePass(worldOf({ ...home, agents, nowMs: noonMs + second * 1000 }), memory);
      memory = pass.hearing;
      shown.add(heardByOf(memory, 'nuc').heardBy.length);
    }
    expect([...shown]).toEqual([2]);
  });

  it('takes a listener that is lost out of the count after a minute more', () => {
    const first = decidePass(worldOf({ ...home, agents: all }), new Map());
    const agents = [hearing('nuc', ['pi', 'hut']), hearing('pi', ['nuc', 'hut'])];
    const soon = decidePass(worldOf({ ...home, agents, nowMs: noonMs + 1000 }), first.hearing);
    expect(heardByOf(soon.hearing, 'nuc').heardBy).toEqual(['hut', 'pi']);
    const later = decidePass(worldOf({ ...home, agents, nowMs: noonMs + 61_000 }), soon.hearing);
    expect(heardByOf(later.hearing, 'nuc')).toEqual({ heardBy: ['pi'], notHeardBy: [], pending: [] });
  });

  it('says so where nobody hears a server', () => {
    const agents = [hearing('nuc', ['pi']), hearing('pi', [])];
    const two = { homeServers: [nuc, pi], agents };
    const first = decidePass(worldOf(two), new Map());
    const later = decidePass(worldOf({ ...two, nowMs: noonMs + 60_000 }), first.hearing);
    expect(conditionOf(later, 'nuc', 'Heard')?.reason).toBe('NotHeardByAnyone');
  });
});

describe('an operator that starts anew', () => {
  const client = { name: 'cams/door', isStreaming: true, why: 'best here: level 1 against 0, 7 s more' };
  const agents = [
    agentNamed('nuc', {
      server: serverReport('nuc', { hears: ['pi'], clients: [client] }),
      cameras: [cameraReport('door', { server: 'nuc' })],
    }),
    hearing('pi', []),
  ];
  const home = worldOf({ homeServers: [nuc, pi], cameraClients: [cameraNamed('door')], agents });
  const first = decidePass(home, new Map());
  const later = decidePass({ ...home, nowMs: noonMs + 60_000 }, first.hearing);
  const written = afterPass(home, later);
  const restarted = { ...written, nowMs: noonMs + 600_000, startedMs: noonMs + 600_000 };

  it('has nothing to write once its agents have reported what was so before', () => {
    const pass = decidePass(restarted, new Map());
    expect(pass.statuses).toHaveLength(3);
    expect(pass.statuses).toEqual(later.statuses);
    expect(toldBy(pass)).toEqual({ moves: [], events: [] });
  });

  it('says nothing of servers before all of them have reported, or 30 seconds have passed', () => {
    const some = { ...restarted, agents: new Map([['nuc', agents[0] ?? agentNamed('nuc')]]) };
    const early = decidePass({ ...some, nowMs: restarted.startedMs + 29_999 }, new Map());
    expect(early.statuses.map(({ key }) => key)).toEqual(['cams/door']);
    expect(early.dueMs).toBe(restarted.startedMs + 30_000);
    const late = decidePass({ ...some, nowMs: restarted.startedMs + 30_000 }, new Map());
    expect(conditionOf(late, 'pi', 'Ready')?.reason).toBe('AgentLost');
  });

  it('says nothing of a camera before its bridge has reported, or 30 seconds have passed', () => {
    const none = { ...restarted, agents: new Map() };
    expect(decidePass({ ...none, nowMs: restarted.startedMs + 29_999 }, new Map()).statuses).toEqual([]);
    const late = decidePass({ ...none, nowMs: restarted.startedMs + 30_000 }, new Map());
    expect(conditionOf(late, 'cams/door', 'Ready')?.reason).toBe('BridgeLost');
  });

  it('does not wait for servers that were lost before', () => {
    const gone = decidePass({ ...written, nowMs: noonMs + 300_000, agents: new Map() }, later.hearing);
    const lost = { ...afterPass(written, gone), agents: new Map() };
    const pass = decidePass({ ...lost, startedMs: noonMs + 300_000, nowMs: noonMs + 300_100 }, new Map());
    expect(pass.statuses.map(({ key }) => key)).toEqual(['nuc', 'pi']);
  });

  it('writes no countdown', () => {
    expect(JSON.stringify(later.statuses)).not.toContain('s more');
  });
});

describe('a status', () => {
  const observed = { resourceVersion: '10', status: { clients: 1 } };

  it('is not written where it says what the API server has, in whatever order', () => {
    const twice = { resourceVersion: '10', status: { b: 1, a: [{ y: 1, x: 2 }] } };
    expect(decideWrite({ a: [{ x: 2, y: 1 }], b: 1 }, twice, undefined, 0)).toEqual({ kind: 'same' });
  });

  it('is written at once, and again a second later', () => {
    expect(decideWrite({ clients: 2 }, observed, undefined, 5)).toEqual({ kind: 'write' });
    const written = { atMs: 5, resourceVersion: '11', status: { clients: 2 } };
    expect(decideWrite({ clients: 3 }, observed, written, 6)).toEqual({ kind: 'later', afterMs: 999 });
    expect(decideWrite({ clients: 3 }, observed, written, 1005)).toEqual({ kind: 'write' });
  });

  it('is what we wrote while the watch is behind, and what the watch has from then on', () => {
    const written = { atMs: 5, resourceVersion: '11', status: { clients: 2 } };
    expect(presentStatus(observed, written)).toEqual({ clients: 2 });
    expect(decideWrite({ clients: 2 }, observed, written, 9000)).toEqual({ kind: 'same' });
    const others = { resourceVersion: '12', status: { clients: 9 } };
    expect(decideWrite({ clients: 2 }, others, written, 9000)).toEqual({ kind: 'write' });
  });
});
