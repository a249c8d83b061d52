import { describe, expect, it } from 'vitest';
import { History } from '../../agent/history.ts';
import { KnownServers } from '../../agent/known-servers.ts';
import type { Candidate } from '../../agent/client/core-events.ts';
import type { Untimed } from '../../agent/events.ts';

const moved = (milliseconds: number): Untimed => ({
  event: 'handedOver',
  client: 'default/door',
  from: 'pi',
  to: 'nuc',
  reason: 'rank',
  milliseconds,
  framesLost: 0,
  framesRepeated: 0,
});

describe('what an agent remembers', () => {
  it('is the last 50 handovers, oldest first, with their time', () => {
    const history = new History();
    for (let count = 1; count <= 70; count++) history.take(moved(count), count * 1000);
    expect(history.handovers).toHaveLength(50);
    expect(history.handovers[0]).toMatchObject({ milliseconds: 21, time: '1970-01-01T00:00:21.000Z' });
    expect(history.handovers.at(-1)).toMatchObject({ milliseconds: 70, client: 'default/door' });
  });

  it('is the newest state of each source', () => {
    const history = new History();
    const source = { event: 'source', client: 'default/door', message: '' } as const;
    history.take({ ...source, ready: false, reason: 'Unreachable' }, 0);
    history.take({ ...source, ready: true, reason: 'Playing' }, 1000);
    history.take({ event: 'stopped', reason: 'x' }, 2000);
    expect(history.sourceOf('default/door')).toEqual({
      ready: true,
      reason: 'Playing',
      message: '',
      time: '1970-01-01T00:00:01.000Z',
    });
    expect(history.sourceOf('default/yard')).toBeUndefined();
  });
});

describe('servers that our server knows', () => {
  const id = (letter: string): `hcsp:${string}` => `hcsp:${letter.repeat(22)}`;
  const heard = (letter: string, max = 4): Untimed => ({
    event: 'heard',
    server: letter,
    id: id(letter),
    address: `10.0.0.${letter.codePointAt(0)}:17320`,
    features: [],
    connected: 0,
    max,
    via: 'multicast',
  });

  it('are told to who asks, those known before and those that come', async () => {
    const known = new KnownServers();
    known.take(heard('a'));
    const told: Candidate[] = [];
    const asking = known.subscribe((server) => told.push(server));
    expect(told).toEqual([]);
    await Promise.resolve();
    known.take({ event: 'linked', server: 'b', id: id('b'), address: '[fd00::9]:17320' });
    expect(told).toEqual([
      { id: id('a'), endpoints: [{ ip: '10.0.0.97', port: 17_320 }] },
      { id: id('b'), endpoints: [{ ip: 'fd00::9', port: 17_320 }] },
    ]);
    await asking.close();
    known.take(heard('c'));
    expect(told).toHaveLength(2);
  });

  it('are none that drain or have no address', async () => {
    const known = new KnownServers();
    known.take(heard('a'));
    known.take(heard('a', 0));
    known.take({ event: 'linked', server: 'b', id: id('b'), address: 'nowhere' });
    known.take({ event: 'linked', server: 'c', id: 'ab:x', address: '10.0.0.1:1' });
    const told: Candidate[] = [];
    known.subscribe((server) => told.push(server));
    await Promise.resolve();
    expect(told).toEqual([]);
  });

  it('are bounded in number', async () => {
    const known = new KnownServers();
    for (let count = 0; count < 1000; count++) {
      known.take({
        event: 'linked',
        server: 'x',
        id: `hcsp:${String(count).padStart(22, '0')}`,
        address: '10.0.0.1:1',
      });
    }
    const told: Candidate[] = [];
    known.subscribe((server) => told.push(server));
    await Promise.resolve();
    expect(told).toHaveLength(64);
    expect(told.at(-1)?.id).toBe('hcsp:0000000000000000000999');
  });
});
