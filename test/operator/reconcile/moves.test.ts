import { describe, expect, it } from 'vitest';
import { batchMoves, refusalEvent } from '../../../operator/reconcile/events.ts';
import { decidePass } from '../../../operator/reconcile/pass.ts';
import {
  afterPass,
  agentNamed,
  cameraNamed,
  cameraReport,
  noonMs,
  serverNamed,
  serverReport,
  toldBy,
  worldOf,
} from '../../support/cluster-world.ts';

const [nuc, pi] = [serverNamed('nuc'), serverNamed('pi')];
const cameras = ['door', 'gate', 'yard'].map((name) => cameraNamed(name));
const handover = (to: string, reason: string) => ({
  from: to === 'nuc' ? 'pi' : 'nuc',
  to,
  reason,
  time: '2026-07-01T12:00:00Z',
  milliseconds: 140,
  framesLost: 0,
  framesRepeated: 2,
});

/** Everybody at one server, as one bridge says. */
function everybodyAt(server: string, reason?: string, facts: Parameters<typeof serverReport>[1] = {}) {
  const reports = cameras.map(({ metadata: { name } }) =>
    cameraReport(name, {
      server,
      ...(reason === undefined ? {} : { lastHandover: handover(server, reason), handovers: 1 }),
    }),
  );
  return worldOf({
    homeServers: [nuc, pi],
    cameraClients: cameras,
    agents: [
      agentNamed('pi', { cameras: reports }),
      agentNamed('nuc', {
        cameras: reports,
        server: serverReport('nuc', { features: ['record', 'live'], ...facts }),
      }),
    ],
  });
}

describe('moves', () => {
  const before = everybodyAt('pi');
  const settled = afterPass(before, decidePass(before, new Map()));

  it('are told in one Event for all cameras that went the same way, with the reason', () => {
    const world = {
      ...everybodyAt('nuc', 'rank'),
      homeServers: settled.homeServers,
      cameraClients: settled.cameraClients,
    };
    const pass = decidePass(world, new Map());
    expect(toldBy(pass).moves).toHaveLength(3);
    expect(batchMoves(toldBy(pass).moves, world)).toEqual([
      {
        regarding: { kind: 'HomeServer', name: 'nuc' },
        type: 'Normal',
        reason: 'Moved',
        note: '3 cameras moved from pi to nuc: level 2 (record+live) against 1 (record)',
      },
    ]);
    const door = pass.statuses.find(({ key }) => key === 'cams/door')?.status;
    expect(door).toMatchObject({
      server: 'nuc',
      handovers: 1,
      framesLost: 0,
      lastHandover: { from: 'pi', to: 'nuc' },
    });
  });

  it('are told once', () => {
    const world = {
      ...everybodyAt('nuc', 'rank'),
      homeServers: settled.homeServers,
      cameraClients: settled.cameraClients,
    };
    const after = afterPass(world, decidePass(world, new Map()));
    expect(toldBy(decidePass(after, new Map())).moves).toEqual([]);
  });

  it.each([
    ['drain', 'cams/door moved from pi to nuc: the other is draining'],
    ['full', 'cams/door moved from pi to nuc: the other is full'],
    ['requires', 'cams/door moved from pi to nuc: it has what the camera requires'],
    ['silent', 'cams/door moved from pi to nuc: pi was left (silent)'],
    ['other', 'cams/door moved from pi to nuc: it left pi'],
  ])('for %s say so', (why, note) => {
    const move = { camera: 'cams/door', from: 'pi', to: 'nuc', why };
    expect(batchMoves([move], before).map((event) => event.note)).toEqual([note]);
  });

  it('leave the time of the selection where the camera stays', () => {
    const later = { ...settled, nowMs: noonMs + 3_600_000 };
    const selection = (world: typeof settled) => {
      const status = decidePass(world, new Map()).statuses.find(({ key }) => key === 'cams/door')?.status;
      return status?.selection?.time;
    };
    expect(selection(later)).toBe('2026-07-01T12:00:00.000Z');
    const moved = {
      ...everybodyAt('nuc', 'rank'),
      cameraClients: settled.cameraClients,
      nowMs: noonMs + 3_600_000,
    };
    expect(selection(moved)).toBe('2026-07-01T13:00:00.000Z');
  });
});

describe('events of servers', () => {
  const first = everybodyAt('pi');
  const settled = afterPass(first, decidePass(first, new Map()));

  it('are none at the first status', () => {
    expect(toldBy(decidePass(first, new Map())).events).toEqual([]);
  });

  it('tell of a lost agent, and of its return', () => {
    const gone = { ...settled, agents: new Map([...settled.agents].filter(([name]) => name !== 'nuc')) };
    const pass = decidePass(gone, new Map());
    expect(toldBy(pass).events).toMatchObject([
      { type: 'Warning', reason: 'AgentLost', regarding: { name: 'nuc' } },
    ]);
    const back = { ...afterPass(gone, pass), agents: settled.agents };
    expect(toldBy(decidePass(back, new Map())).events).toMatchObject([
      { type: 'Normal', reason: 'AgentReady' },
    ]);
  });

  it('tell of a server that is drained', () => {
    const drained = everybodyAt('pi', undefined, { isDraining: true });
    const pass = decidePass({ ...drained, homeServers: settled.homeServers }, new Map());
    expect(toldBy(pass).events).toMatchObject([
      { type: 'Normal', reason: 'Drained', regarding: { name: 'nuc' } },
    ]);
  });
});

describe('a refusal', () => {
  it.each([
    ['nuc', 'KeyInUse', { kind: 'HomeServer', name: 'nuc' }, 'KeyInUse'],
    ['nuc', 'TokenForeign', { kind: 'HomeServer', name: 'nuc' }, 'Refused'],
    ['cams/door', 'NotAssigned', { kind: 'CameraClient', namespace: 'cams', name: 'door' }, 'Refused'],
  ])('of %s for %s is told at the resource', (client, why, regarding, reason) => {
    const note = `${why}: look who`;
    expect(refusalEvent(client, why, 'look who')).toEqual({ regarding, type: 'Warning', reason, note });
  });

  it.each(['', 'sha256:abc', '../x', 'a/b/c'])('of %j is told nowhere', (client) => {
    expect(refusalEvent(client, 'KeyUnknown', '')).toBeUndefined();
  });
});

describe('selection of a server', () => {
  it('says who is best and why, from each server’s view', () => {
    const pass = decidePass(everybodyAt('pi'), new Map());
    const selection = (key: string) => pass.statuses.find((each) => each.key === key)?.status;
    expect(selection('nuc')).toMatchObject({
      rank: 1,
      selection: { best: 'nuc', reason: 'best: level 2 (record+live) against 1 (record) of pi' },
    });
    expect(selection('pi')).toMatchObject({
      rank: 2,
      selection: { best: 'nuc', reason: 'nuc is best: level 2 (record+live) against 1 (record)' },
    });
  });

  it('gives no rank to a server that drains, and keeps the identifier of one that is lost', () => {
    const drains = decidePass(everybodyAt('pi', undefined, { isDraining: true }), new Map());
    const of = (pass: typeof drains) => pass.statuses.find(({ key }) => key === 'nuc')?.status;
    expect(of(drains)).not.toHaveProperty('rank');
    expect(of(drains)?.selection?.reason).toBe('takes no clients now: pi is best');
    const first = everybodyAt('pi');
    const settled = afterPass(first, decidePass(first, new Map()));
    const lost = decidePass({ ...settled, agents: new Map() }, new Map());
    expect(of(lost)).toHaveProperty('identifier', `hcsp:${'nuc'.padEnd(22, 'A')}`);
    expect(of(lost)).not.toHaveProperty('clients');
  });
});
