import { describe, expect, it } from 'vitest';
import { Calls, type CallTarget, maxCalls, maxPeers } from '../../../agent/server/calls.ts';

const home = { ip: '192.168.1.9', port: 17320 };
const away = { ip: '192.168.1.200', port: 17320 };

describe('Calls', () => {
  it('calls a peer once, and not again while the call or the link lasts', () => {
    const calls = new Calls();
    calls.want(peer('a'));
    expect(calls.due(0)).toEqual([{ target: peer('a'), endpoint: home }]);
    expect(calls.due(1)).toEqual([]);
    calls.opened('a');
    calls.want(peer('a'));
    expect(calls.due(60_000)).toEqual([]);
    expect(calls.nextAtMs()).toBeUndefined();
  });

  it('waits longer after each failure, at most 8 s', () => {
    const calls = new Calls();
    calls.want(peer('a'));
    const waits: number[] = [];
    let nowMs = 0;
    for (let round = 0; round < 6; round += 1) {
      expect(calls.due(nowMs)).toHaveLength(1);
      calls.failed('a', home, nowMs);
      const next = calls.nextAtMs() ?? 0;
      expect(calls.due(next - 1)).toEqual([]);
      waits.push(next - nowMs);
      nowMs = next;
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 8000]);
  });

  it('tries the other address at once when one fails, and keeps their back-offs apart', () => {
    const calls = new Calls();
    calls.want(peer('a', [home, away]));
    expect(calls.due(0)[0]?.endpoint).toEqual(home);
    calls.failed('a', home, 0);
    expect(calls.due(0)[0]?.endpoint).toEqual(away);
    calls.failed('a', away, 100);
    expect(calls.due(499)).toEqual([]);
    expect(calls.due(500)[0]?.endpoint).toEqual(home);
  });

  it('keeps the back-off of an address when the same peer is heard again with it', () => {
    const calls = new Calls();
    calls.want(peer('a'));
    calls.due(0);
    calls.failed('a', home, 0);
    calls.want(peer('a'));
    expect(calls.due(1)).toEqual([]);
    calls.want(peer('a', [away]));
    expect(calls.due(1)[0]?.endpoint).toEqual(away);
  });

  it('calls at once whoever has started anew', () => {
    const calls = new Calls();
    calls.want(peer('a'));
    calls.due(0);
    calls.failed('a', home, 0);
    calls.hurry('a');
    expect(calls.due(1)).toHaveLength(1);
  });

  it('calls again at once after a link that lasted, later after one that hung up', () => {
    const calls = new Calls();
    calls.want(peer('a'));
    calls.due(0);
    calls.opened('a');
    calls.closed({ key: 'a', endpoint: home, lastedMs: 60_000 }, 60_000);
    expect(calls.due(60_000)).toHaveLength(1);
    calls.opened('a');
    calls.closed({ key: 'a', endpoint: home, lastedMs: 10 }, 60_010);
    expect(calls.due(60_010)).toEqual([]);
    expect(calls.nextAtMs()).toBe(60_510);
  });

  it('makes four calls at once and then whom it did not call yet', () => {
    const calls = new Calls();
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) calls.want(peer(name));
    expect(calls.due(0).map(({ target }) => target.key)).toEqual(['a', 'b', 'c', 'd']);
    expect(calls.due(0)).toHaveLength(0);
    expect(calls.nextAtMs()).toBeUndefined();
    calls.opened('a');
    expect(calls.due(0).map(({ target }) => target.key)).toEqual(['e']);
    calls.forget('b');
    expect(calls.due(0).map(({ target }) => target.key)).toEqual(['f']);
    calls.failed('b', home, 0);
    expect(calls.due(0)).toHaveLength(0);
  });

  it('knows 50 peers, and gives up one that was heard for one that is configured', () => {
    const calls = new Calls();
    for (let index = 0; index < maxPeers; index += 1) expect(calls.want(peer(`p${index}`))).toBe(true);
    expect(calls.want(peer('late'))).toBe(false);
    for (const { target } of calls.due(0)) calls.opened(target.key);
    expect(calls.want({ ...peer('set'), isConfigured: true })).toBe(true);
    expect(calls.want(peer('later'))).toBe(false);
    expect(Array.from({ length: maxCalls }, (_, index) => calls.has(`p${index}`))).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });
});

function peer(key: string, endpoints = [home]): CallTarget {
  return { key, endpoints, isConfigured: false };
}
