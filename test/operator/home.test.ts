import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openHome, type Home, type HomeOptions } from '../../operator/home.ts';
import type { Pass } from '../../operator/reconcile/pass.ts';
import { agentNamed, noonMs, serverNamed } from '../support/cluster-world.ts';

const bad = { kind: 'HomeServer', metadata: { name: 'bad', generation: 4 }, spec: { max: 'many' } };
const node = (name: string) => ({
  metadata: { name, uid: 'u' },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
});

describe('the home', () => {
  let home: Home;
  let passes: Pass[] = [];
  let failures: unknown[] = [];
  let written: string[] = [];
  let sent: Map<string, string> = new Map();
  let raw = { homeServers: [] as object[], cameraClients: [] as object[], nodes: [] as object[] };

  beforeEach(() => {
    vi.useFakeTimers({ now: noonMs });
    [passes, failures, written, sent] = [[], [], [], new Map()];
    raw = { homeServers: [serverNamed('nuc'), bad], cameraClients: [], nodes: [node('nuc')] };
    const agents = new Map([['nuc', agentNamed('nuc')]]);
    const options: HomeOptions = {
      raw: () => raw,
      agents: () => agents,
      sessions: () => ['nuc'],
      credentials: () => ({ secrets: new Map(), problems: new Map() }),
      trust: () => ({ revision: 1, anchorsPem: '', denyText: '' }),
      keysInUse: () => new Map(),
      startedMs: () => noonMs - 60_000,
      write: ({ key, status }) => written.push(`${key} ${status.conditions?.[0]?.reason ?? ''}`),
      send: (name, snapshot) => sent.set(name, JSON.stringify(snapshot)),
      onPass: (pass) => passes.push(pass),
      onFailure: (error) => failures.push(error),
    };
    home = openHome(options);
  });
  afterEach(() => {
    home.close();
    vi.useRealTimers();
  });

  it('is looked at once for all that changes together, and not at all while nothing does', async () => {
    for (let index = 0; index < 50; index += 1) home.notify();
    await vi.advanceTimersByTimeAsync(1000);
    expect(passes).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(passes).toHaveLength(1);
  });

  it('has statuses written and agents told, those of resources that cannot be read too', async () => {
    home.notify();
    await vi.advanceTimersByTimeAsync(1000);
    expect(written).toEqual(['nuc AgentReady', 'bad Invalid']);
    expect(sent.get('nuc')).toContain('"name":"nuc"');
    expect(home.last?.survey.world.homeServers).toHaveLength(1);
  });

  it('is looked at again after a look that failed', async () => {
    raw = { ...raw, homeServers: [{ kind: 'HomeServer' }] };
    home.notify();
    await vi.advanceTimersByTimeAsync(1000);
    expect([failures.length, passes.length]).toEqual([1, 0]);
    raw = { ...raw, homeServers: [serverNamed('nuc')] };
    await vi.advanceTimersByTimeAsync(5000);
    expect([failures.length, passes.length]).toEqual([1, 1]);
  });

  it('is not looked at after its end', async () => {
    home.notify();
    home.close();
    home.notify();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(passes).toEqual([]);
  });
});
