import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type RunningClient, openClient } from '../../../agent/client/client.ts';
import { type ClientConfig, defaultClientConfig } from '../../../agent/client/core-events.ts';
import { createRingBudget } from '../../../agent/client/ring-budget.ts';
import type { SavedClient } from '../../../agent/client/saved-client.ts';
import type { AgentEvent, Untimed } from '../../../agent/events.ts';
import type { Source, SourceListener } from '../../../agent/sources/source.ts';
import { openTestCamera } from '../../../agent/sources/test-camera.ts';
import type { Identity } from '../../../tls/identity.ts';
import { createScanner } from '../../../protocol/media/scanners.ts';
import { type TestHome, mintHome } from '../../support/certificates.ts';
import { settableTrust } from '../../support/live-trust.ts';
import { type TakingServer, openTakingServer } from '../../support/taking-server.ts';

interface Running {
  readonly client: RunningClient;
  readonly events: Untimed[];
  /** What the source gave. */
  readonly source: () => Buffer;
  readonly saved: SavedClient[];
}

let home: TestHome;
let door: Identity;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  home = await mintHome();
  door = await home.client('default/door');
});

afterEach(async () => {
  for (const part of open.splice(0).toReversed()) await part.close();
});

async function server(name: string, sync?: 'always' | 'onCommit' | 'never'): Promise<TakingServer> {
  const opened = await openTakingServer(
    await home.server(name),
    home.trust,
    sync === undefined ? {} : { sync },
  );
  open.push(opened);
  return opened;
}

function start(
  servers: readonly TakingServer[],
  openSource: (listener: SourceListener) => Source,
  options: { readonly config?: Partial<ClientConfig>; readonly saved?: SavedClient } = {},
): Running {
  const chunks: Uint8Array[] = [];
  const events: Untimed[] = [];
  const saved: SavedClient[] = [];
  const client = openClient({
    identity: door,
    trust: settableTrust(home.trust),
    config: { ...defaultClientConfig, name: 'default/door', ...options.config },
    servers: servers.map(({ endpoint }) => endpoint),
    openSource: (listener) =>
      openSource({
        ...listener,
        onBytes: (bytes) => {
          chunks.push(Uint8Array.from(bytes));
          listener.onBytes(bytes);
        },
      }),
    scannerFor: (media) => createScanner(media),
    ringBudget: createRingBudget(),
    saved: options.saved ?? { term: 0, servers: [] },
    onSave: (value) => saved.push(value),
    emit: (event) => events.push(event),
  });
  open.push(client);
  return { client, events, saved, source: () => Buffer.concat(chunks) };
}

/** Lines, a few a millisecond. */
function openLines(listener: SourceListener): Source {
  let count = 0;
  const timer = setInterval(() => {
    listener.onBytes(Buffer.from(`{"n":${count},"text":"${'x'.repeat(count % 300)}"}\n`));
    count += 1;
  }, 2);
  return {
    close: () => {
      clearInterval(timer);
      return Promise.resolve();
    },
  };
}

const camera = (listener: SourceListener): Source => openTestCamera({ fps: 60, gop: 0.5 }, listener);

async function until(what: string, isTrue: () => boolean, withinMs = 15_000): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!isTrue()) {
    if (performance.now() > endMs) throw new Error(`waited ${withinMs} ms until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const named = (events: readonly Untimed[], name: AgentEvent['event']): readonly Untimed[] => {
  return events.filter(({ event }) => event === name);
};

/** Every part equals the source where it says it is; returns how much of the source no server has. */
function missingBytes(source: Buffer, servers: readonly TakingServer[]): number {
  const has = new Uint8Array(source.length);
  for (const stream of servers.flatMap(({ sink }) => sink.streams)) {
    const at = stream.parts[0]?.offset;
    if (at === undefined) continue;
    const { bytes } = stream;
    expect(Buffer.compare(bytes, source.subarray(at, at + bytes.length))).toBe(0);
    has.fill(1, at, at + bytes.length);
  }
  return has.filter((known) => known === 0).length;
}

const lines = { config: { media: 'application/x-ndjson' } } as const;

describe('a client over real TLS', () => {
  it.each([
    ['lines', openLines, lines],
    ['a camera', camera, {}],
  ] as const)('loses no byte of %s through redirects there and back', async (_, source, options) => {
    const [pi, nuc] = [await server('pi'), await server('nuc')];
    const { client, events, source: given } = start([pi], source, options);
    await until('it streams', () => client.status().durable > 5000);
    for (const [from, to] of [
      [pi, nuc],
      [nuc, pi],
      [pi, nuc],
    ] as const) {
      const before = client.status().handovers;
      from.redirect(to.reference, 'drain');
      await until('it moved', () => client.status().handovers > before);
      await until('it streams there', () => client.status().server?.id === to.id);
    }
    await client.close();
    const all = given();
    expect(all.length).toBeGreaterThan(5000);
    expect(missingBytes(all, [pi, nuc])).toBe(0);
    expect(named(events, 'handedOver')).toHaveLength(3);
    expect(named(events, 'handedOver')).toMatchObject([
      { from: 'pi', to: 'nuc', reason: 'drain', framesLost: 0 },
      { from: 'nuc', to: 'pi', reason: 'drain', framesLost: 0 },
      { from: 'pi', to: 'nuc', reason: 'drain', framesLost: 0 },
    ]);
    expect(client.status()).toMatchObject({ phase: 'stopped', framesLost: 0, bytesLost: 0 });
  });

  it('begins at the cut, with its tables before it', async () => {
    const [pi, nuc] = [await server('pi'), await server('nuc')];
    const { client, events } = start([pi], camera);
    await until('it streams', () => client.status().durable > 5000);
    pi.redirect(nuc.reference, 'rank');
    await until('it moved', () => client.status().handovers === 1);
    const [cut] = named(events, 'cut');
    expect(cut).toMatchObject({ from: 'pi', to: 'nuc', quality: 'idr' });
    const [stream] = nuc.sink.streams;
    expect(stream?.parts).toEqual([{ offset: cut?.event === 'cut' ? cut.offset : -1, why: 'handover' }]);
    expect(stream?.injected).toBeGreaterThan(0);
  });

  it('loses nothing when its server crashes: the other gets what was not durable', async () => {
    const [pi, nuc] = [await server('pi'), await server('nuc')];
    const { client, events, source: given } = start([pi], openLines, lines);
    await until('it streams', () => client.status().durable > 5000);
    pi.tellPeers([nuc.reference]);
    await until('it knows the other', () => client.status().durable > 8000);
    pi.crash();
    await until('it moved', () => client.status().handovers === 1);
    await client.close();
    expect(missingBytes(given(), [pi, nuc])).toBe(0);
    expect(named(events, 'handedOver')).toMatchObject([{ from: 'pi', to: 'nuc', framesLost: 0 }]);
  });

  it('stays, and says why, where the other refuses', async () => {
    const [pi, nuc] = [await server('pi'), await server('nuc')];
    const { client, source: given } = start([pi], openLines, lines);
    await until('it streams', () => client.status().durable > 1000);
    nuc.refuseWith('full');
    pi.redirect(nuc.reference, 'rank');
    await until('it refuses', () => pi.refusals.length > 0);
    expect(pi.refusals).toMatchObject([{ id: nuc.id, reason: 'full' }]);
    await client.close();
    expect(missingBytes(given(), [pi])).toBe(0);
  });

  it('does not follow to a server of another CA, and says `untrusted`', async () => {
    const stranger = await mintHome();
    const pi = await server('pi');
    const impostor = await openTakingServer(await stranger.server('nuc'), stranger.trust);
    open.push(impostor);
    const { client } = start([pi], openLines, lines);
    await until('it streams', () => client.status().durable > 1000);
    pi.redirect(impostor.reference, 'rank');
    await until('it refuses', () => pi.refusals.length > 0);
    expect(pi.refusals).toMatchObject([{ id: impostor.id, reason: 'untrusted' }]);
    expect(client.status().server?.id).toBe(pi.id);
    expect(impostor.sink.streams).toEqual([]);
  });

  it('does not follow to another server than the one that was named', async () => {
    const [pi, nuc, other] = [await server('pi'), await server('nuc'), await server('other')];
    const { client } = start([pi], openLines, lines);
    await until('it streams', () => client.status().durable > 1000);
    pi.redirect({ id: nuc.id, address: other.endpoint }, 'rank');
    await until('it refuses', () => pi.refusals.length > 0);
    expect(pi.refusals).toMatchObject([{ id: nuc.id, reason: 'untrusted' }]);
  });

  it('makes everything durable before it ends with its source', async () => {
    const pi = await server('pi', 'onCommit');
    const text = Buffer.from('one\ntwo\nthree\n');
    const { client, source: given } = start(
      [pi],
      (listener) => {
        setImmediate(() => {
          listener.onBytes(text);
          listener.onEnd();
        });
        return { close: () => Promise.resolve() };
      },
      lines,
    );
    expect(await client.ended).toBe('finished');
    expect(missingBytes(given(), [pi])).toBe(0);
    expect(pi.sink.streams[0]?.commits).toBeGreaterThan(0);
  });

  it('ignores what a later version says, and leaves a server whose lines are none', async () => {
    const pi = await server('pi');
    const { client, events } = start([pi], openLines, lines);
    await until('it streams', () => client.status().durable > 1000);
    pi.sayRaw('<hosp xmlns="http://www.darwin-hcs.org/arch/hosp/1.0"><news/></hosp>');
    const before = client.status().durable;
    await until('it goes on', () => client.status().durable > before + 2000);
    expect(named(events, 'disconnected')).toEqual([]);
    pi.sayRaw('<!DOCTYPE hosp>');
    await until('it left', () => named(events, 'disconnected').length > 0);
    expect(named(events, 'disconnected')).toMatchObject([{ from: 'pi', reason: 'error' }]);
  });

  it('does not wait for a server that nobody is when it is closed, and says what is left', async () => {
    const { client, events } = start([], openLines, lines);
    await until('there are bytes', () => client.status().produced > 1000);
    const closing = performance.now();
    await client.close();
    expect(performance.now() - closing).toBeLessThan(4500);
    const { produced } = client.status();
    expect(named(events, 'warning')).toEqual([
      {
        event: 'warning',
        reason: 'Undelivered',
        client: 'default/door',
        message: `stopped with ${produced} bytes that no server has made durable`,
      },
    ]);
  });

  it('ends for good when it is replaced', async () => {
    const pi = await server('pi');
    const { client, events } = start([pi], openLines, lines);
    await until('it streams', () => client.status().durable > 1000);
    pi.bye('replaced', 99);
    expect(await client.ended).toBe('replaced');
    expect(named(events, 'warning')).toMatchObject([{ reason: 'replaced' }]);
  });

  it('takes a higher term at each start, and finds its servers again', async () => {
    const pi = await server('pi');
    const first = start([pi], openLines, lines);
    await until('it streams', () => first.client.status().durable > 1000);
    await first.client.close();
    const saved = first.saved.at(-1) ?? { term: 0, servers: [] };
    expect(saved.servers).toMatchObject([pi.reference]);
    const future = { ...saved, term: saved.term + 1e9 };
    const second = start([], openLines, { ...lines, saved: future });
    await until('it streams again', () => second.client.status().durable > 1000);
    expect(second.client.status().term).toBe(future.term + 1);
  });

  it('goes on through a renewed certificate without losing a byte', async () => {
    const pi = await server('pi');
    const { client, source: given } = start([pi], openLines, lines);
    await until('it streams', () => client.status().durable > 1000);
    client.renew(door);
    await until('it moved', () => client.status().handovers === 1);
    await client.close();
    expect(missingBytes(given(), [pi])).toBe(0);
    expect(pi.sink.streams).toHaveLength(2);
  });
});
