import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { HomeDecision, StatusDecision } from '../../operator/reconcile/pass.ts';
import { createStatusWriter } from '../../operator/status-writer.ts';

const clients = (count: number): HomeDecision => ({
  kind: 'HomeServer',
  key: 'nuc',
  status: { clients: count },
});

describe('the writer of statuses', () => {
  beforeEach(() => void vi.useFakeTimers({ now: 0 }));
  afterEach(() => void vi.useRealTimers());

  /** An API server with one object, whose watch stands still until it is moved on. */
  function open() {
    let version = 10;
    let watched: object | undefined = { metadata: { name: 'nuc', resourceVersion: '10' } };
    let stored: object | undefined = watched;
    const writes: object[] = [];
    const told: StatusDecision[] = [];
    const writer = createStatusWriter({
      observe: () => watched,
      apply: async ({ status }) => {
        version += 1;
        writes.push(status);
        stored = { metadata: { name: 'nuc', resourceVersion: String(version) }, status };
        return stored;
      },
      onWritten: (decision) => told.push(decision),
    });
    const run = () => writer.run('HomeServer nuc', new AbortController().signal);
    const watch = (object: object | undefined) => (watched = object);
    const catchUp = () => watch(stored);
    return { writer, run, writes, told, catchUp, watch, watched: () => watched };
  }

  it('writes what differs, and nothing while the watch is behind', async () => {
    const { writer, run, writes, catchUp, watched } = open();
    expect(writer.want(clients(1))).toBe('HomeServer nuc');
    expect(await run()).toBeUndefined();
    vi.setSystemTime(5000);
    expect(writer.want(clients(1))).toBeUndefined();
    expect(writer.overlay('HomeServer', watched() ?? {})).toMatchObject({ status: { clients: 1 } });
    catchUp();
    expect(writer.want(clients(1))).toBeUndefined();
    expect(await run()).toBeUndefined();
    expect(writes).toEqual([{ clients: 1 }]);
  });

  it('writes the newest, at most once a second', async () => {
    const { writer, run, writes } = open();
    writer.want(clients(1));
    await run();
    vi.setSystemTime(300);
    writer.want(clients(2));
    expect(await run()).toEqual({ retryAfterMs: 700 });
    writer.want(clients(3));
    vi.setSystemTime(1000);
    expect(await run()).toBeUndefined();
    expect(writes).toEqual([{ clients: 1 }, { clients: 3 }]);
  });

  it('writes nothing where what was wanted has come to be what is there', async () => {
    const { writer, run, writes } = open();
    writer.want(clients(1));
    await run();
    vi.setSystemTime(300);
    writer.want(clients(2));
    writer.want(clients(1));
    vi.setSystemTime(1000);
    expect(await run()).toBeUndefined();
    expect(writes).toHaveLength(1);
  });

  it('writes again what somebody else has changed', async () => {
    const { writer, run, writes, watch } = open();
    writer.want(clients(1));
    await run();
    vi.setSystemTime(9000);
    watch({ metadata: { name: 'nuc', resourceVersion: '99' }, status: { clients: 7 } });
    expect(writer.want(clients(1))).toBe('HomeServer nuc');
    await run();
    expect(writes).toHaveLength(2);
  });

  it('tells what a status tells once, when it is written', async () => {
    const { writer, run, told } = open();
    const move = { camera: 'cams/door', from: 'pi', to: 'nuc', why: 'rank' };
    writer.want({ ...clients(1), move });
    writer.want({ ...clients(1), move });
    await run();
    await run();
    expect(told).toMatchObject([{ move }]);
  });

  it('takes nothing that was decided while a write is under way: it starts from what was before', async () => {
    const { writer, run, writes, told } = open();
    const move = { camera: 'cams/door', from: 'pi', to: 'nuc', why: 'rank' };
    writer.want({ ...clients(1), move });
    const writing = run();
    expect(writer.want({ ...clients(2), move })).toBeUndefined();
    await writing;
    vi.setSystemTime(9000);
    expect(await run()).toBeUndefined();
    expect([writes, told.length]).toEqual([[{ clients: 1 }], 1]);
    expect(writer.want(clients(2))).toBe('HomeServer nuc');
  });

  it('forgets an object that is gone', async () => {
    const { writer, run, writes, watch } = open();
    writer.want(clients(1));
    watch(undefined);
    expect(await run()).toBeUndefined();
    expect(writer.want(clients(1))).toBeUndefined();
    expect(writes).toEqual([]);
  });
});
