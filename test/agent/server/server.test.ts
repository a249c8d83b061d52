import { once } from 'node:events';
import { type TLSSocket, connect as dial } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { AgentEvent, Untimed } from '../../../agent/events.ts';
import type { SavedServer, ServerConfig } from '../../../agent/server/core-events.ts';
import { type RunningServer, openServer } from '../../../agent/server/server.ts';
import type { Identity } from '../../../tls/identity.ts';
import { tlsClientOptions } from '../../../tls/peers.ts';
import { signAnnouncement } from '../../../protocol/announcements.ts';
import {
  type Connect,
  type HospDocument,
  type Subscribe,
  encodeDocument,
} from '../../../protocol/documents.ts';
import { encodeFrame } from '../../../protocol/frames.ts';
import { everyClient, isClientId, isServerId } from '../../../protocol/identifiers.ts';
import { type TestHome, mintHome, trustOf } from '../../support/certificates.ts';
import { hearLines } from '../../support/lines.ts';
import { type SettableTrust, settableTrust } from '../../support/live-trust.ts';
import { type MemorySink, openMemorySink } from '../../support/memory-sink.ts';

const loopback: ServerConfig = {
  features: ['record'],
  max: 4,
  intervalMs: 10_000,
  isDrained: false,
  suspendedClients: new Set(),
  listenPort: 0,
  isAnnounced: true,
  interfaces: ['lo'],
  excludeInterfaces: [],
  peers: [],
};

interface Running {
  readonly server: RunningServer;
  readonly identity: Identity;
  readonly events: Untimed[];
  readonly saves: SavedServer[];
  readonly trust: SettableTrust;
  readonly sink: MemorySink;
  of<Name extends AgentEvent['event']>(name: Name): Extract<Untimed, { event: Name }>[];
}

const isNamed =
  <Name extends AgentEvent['event']>(name: Name) =>
  (event: Untimed): event is Extract<Untimed, { event: Name }> =>
    event.event === name;

describe('a server on loopback', () => {
  let home: TestHome;
  let client: Identity;
  const open: Running[] = [];
  const sockets: TLSSocket[] = [];

  beforeAll(async () => {
    home = await mintHome();
    client = await home.client('default/door');
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await Promise.all(open.splice(0).map(({ server }) => server.close()));
  });

  async function start(
    nameOrIdentity: string | Identity,
    change: Partial<ServerConfig> = {},
    options: { from?: TestHome; saved?: unknown } = {},
  ): Promise<Running> {
    const { from = home, saved } = options;
    const identity = typeof nameOrIdentity === 'string' ? await from.server(nameOrIdentity) : nameOrIdentity;
    const events: Untimed[] = [];
    const saves: SavedServer[] = [];
    const trust = settableTrust(from.trust);
    const sinks: MemorySink[] = [];
    const server = await openServer({
      identity,
      trust,
      config: { ...loopback, ...change },
      sinks: [
        (listener) => {
          const sink = openMemorySink(listener, { sync: 'onCommit' });
          sinks.push(sink);
          return Promise.resolve(sink);
        },
      ],
      saved,
      onSave: (state) => saves.push(state),
      emit: (event) => events.push(event),
    });
    const [sink] = sinks;
    if (sink === undefined) throw new Error('the sink was not opened');
    const running: Running = {
      server,
      identity,
      events,
      saves,
      trust,
      sink,
      of: (name) => events.filter(isNamed(name)),
    };
    open.push(running);
    return running;
  }

  /** A raw client: what a person would write with openssl and a hex editor. */
  async function call({ server, identity }: Running, who: Identity = client, change: Partial<Connect> = {}) {
    const options = {
      ...tlsClientOptions(who, home.trust),
      host: '127.0.0.1',
      port: server.port,
      ALPNProtocols: ['hosp/1'],
      allowHalfOpen: true,
    };
    const socket = dial(options);
    sockets.push(socket);
    const ear = hearLines(socket);
    await once(socket, 'secureConnect');
    const { id: to } = identity.leaf;
    const { id: from } = who.leaf;
    if (!isServerId(to) || !isClientId(from)) throw new Error('wrong kinds of certificate');
    const hello: Connect = {
      kind: 'connect',
      to,
      from,
      stream: 'main',
      media: 'video/mp2t',
      term: 1,
      requires: [],
      weights: {},
      mode: 'Best',
      moveAfterMs: 0,
      ...change,
    };
    socket.write(`${encodeDocument(hello)}\n`);
    const control = (document: HospDocument) =>
      socket.write(encodeFrame('control', encodeDocument(document)));
    return { socket, ear, control };
  }

  const linked = (a: Running, b: Running) =>
    vi.waitFor(() => {
      for (const [one, other] of [
        [a, b],
        [b, a],
      ] as const) {
        const peer = one.server.status().peers.find(({ id }) => id === other.identity.leaf.id);
        expect(peer).toMatchObject({ isConfirmed: true, hearsUs: true });
      }
    }, 10_000);

  it('hears another one, and both confirm each other by calling', async () => {
    const [pi, nuc] = [await start('pi'), await start('nuc', { features: ['record', 'live'] })];
    await linked(pi, nuc);
    expect(pi.of('linked')).toMatchObject([{ server: 'nuc', id: nuc.identity.leaf.id }]);
    expect(pi.server.status().ranking.map(({ name }) => name)).toEqual(['nuc', 'pi']);
    expect(nuc.server.status().ranking.map(({ name }) => name)).toEqual(['nuc', 'pi']);
    expect(pi.server.endpoints).toEqual([{ ip: '127.0.0.1', port: pi.server.port }]);
  });

  it('sends its client to a better one that starts, and serves it until then', async () => {
    const pi = await start('pi');
    const { socket, ear, control } = await call(pi);
    await ear.waitFor('welcome');
    control({ kind: 'begin', offset: 0, time: 0, why: 'start' });
    socket.write(encodeFrame('media', Buffer.from('before')));
    await ear.waitFor('ack', ({ received }) => received === 6);
    const nuc = await start('nuc', { features: ['record', 'live'] });
    const redirect = await ear.waitFor('redirect');
    expect(redirect).toMatchObject({
      from: pi.identity.leaf.id,
      why: 'rank',
      target: { id: nuc.identity.leaf.id, address: { ip: '127.0.0.1', port: nuc.server.port } },
    });
    expect(pi.of('redirected')).toMatchObject([
      { client: 'default/door', to: 'nuc', reason: expect.any(String) },
    ]);
    const next = await call(nuc);
    await next.ear.waitFor('welcome');
    control({ kind: 'end', offset: 6 });
    await ear.waitFor('ack', ({ durable }) => durable === 6);
    socket.end();
    await ear.waitForClose();
    expect(pi.sink.streams[0]?.bytes.toString()).toBe('before');
    await vi.waitFor(() => expect(pi.server.status().connected).toBe(0), 5000);
    expect(nuc.server.status().clients).toMatchObject([{ name: 'default/door' }]);
  });

  it('gives the last ack over TLS to a client that closed its side', async () => {
    const pi = await start('pi');
    const { socket, ear, control } = await call(pi);
    await ear.waitFor('welcome');
    control({ kind: 'begin', offset: 10, time: 0, why: 'start' });
    socket.end(encodeFrame('media', Buffer.from('then FIN')));
    await expect(ear.waitFor('ack', ({ durable }) => durable === 18)).resolves.toMatchObject({
      received: 18,
    });
    await ear.waitForClose();
  });

  it('moves nobody to an impostor that another CA signed, and says what it dropped', async () => {
    const pi = await start('pi');
    const { ear } = await call(pi);
    await ear.waitFor('welcome');
    const stranger = await mintHome();
    await start('nuc', { features: ['record', 'live', 'exec'], max: 100 }, { from: stranger });
    await vi.waitFor(
      () => expect(pi.of('dropped').map(({ reason }) => reason)).toContain('unknown-ca'),
      10_000,
    );
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect(ear.all('redirect')).toEqual([]);
    expect(pi.server.status().peers).toEqual([]);
    expect(pi.server.status().dropped['unknown-ca']).toBeGreaterThan(0);
  });

  it('tells its clients of those that can take over', async () => {
    const [pi, nuc] = [await start('pi', { max: 9 }), await start('nuc')];
    await linked(pi, nuc);
    const { ear } = await call(pi);
    const peers = await ear.waitFor('peers', ({ servers }) => servers.length > 0);
    expect(peers.servers).toMatchObject([{ id: nuc.identity.leaf.id, address: { port: nuc.server.port } }]);
  });

  it('welcomes nobody beyond its max', async () => {
    const pi = await start('pi', { max: 1 });
    const first = await call(pi);
    await first.ear.waitFor('welcome');
    const second = await call(pi, await home.client('default/yard'));
    await expect(second.ear.waitFor('bye')).resolves.toMatchObject({ reason: 'full' });
  });

  it('loses a peer that closes at once, and one whose key is denied', async () => {
    const [pi, nuc, oak] = [await start('pi'), await start('nuc'), await start('oak')];
    await linked(pi, nuc);
    await linked(pi, oak);
    await nuc.server.close();
    await vi.waitFor(() => expect(pi.of('unlinked').map(({ server }) => server)).toEqual(['nuc']), 3000);
    pi.trust.set(trustOf(home.authority.certificatePem, oak.identity.leaf.spkiSha256));
    await vi.waitFor(
      () => expect(pi.of('unlinked').map(({ server }) => server)).toEqual(['nuc', 'oak']),
      3000,
    );
  });

  it('cuts off a client whose key is denied, with the reason', async () => {
    const pi = await start('pi');
    const { ear } = await call(pi);
    await ear.waitFor('welcome');
    pi.trust.set(trustOf(home.authority.certificatePem, client.leaf.spkiSha256));
    await expect(ear.waitFor('bye')).resolves.toMatchObject({ reason: 'untrusted' });
    await vi.waitFor(() => expect(pi.server.status().connected).toBe(0), 2000);
  });

  it('calls a configured peer that nobody announces, by name', async () => {
    const nuc = await start('nuc', { isAnnounced: false });
    const pi = await start('pi', { isAnnounced: false, peers: [`localhost:${nuc.server.port}`] });
    await linked(pi, nuc);
    expect(pi.of('heard').map(({ via }) => via)).not.toContain('multicast');
  });

  it('calls after a restart whom it knew, and with a higher boot', async () => {
    const nuc = await start('nuc', { isAnnounced: false });
    const first = await start('pi', { isAnnounced: false, peers: [`127.0.0.1:${nuc.server.port}`] });
    await linked(first, nuc);
    const saved: unknown = JSON.parse(JSON.stringify(first.saves.at(-1)));
    const boot = first.server.status().boot;
    await first.server.close();
    const again = await start(first.identity, { isAnnounced: false }, { saved });
    await linked(again, nuc);
    expect(again.server.status().boot).toBeGreaterThan(boot);
  });

  it('takes on a link only what its own server says, and says itself only after the caller has', async () => {
    const pi = await start('pi');
    const [nuc, oak] = await Promise.all([home.server('nuc'), home.server('oak')]);
    const socket = dial({
      ...tlsClientOptions(nuc, home.trust),
      host: '127.0.0.1',
      port: pi.server.port,
      ALPNProtocols: ['hosp-peer/1'],
    });
    sockets.push(socket);
    const ear = hearLines(socket);
    await once(socket, 'secureConnect');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(ear.lines).toEqual([]);
    const say = (identity: Identity, seq: number) => {
      const { id } = identity.leaf;
      if (!isServerId(id)) throw new Error('not a server');
      const order = { boot: 1, seq };
      const from = { id, address: { ip: '203.0.113.9', port: 17_320 } };
      const facts = { features: ['record', 'live'], connected: 0, max: 9, also: [] };
      const subscribe: Subscribe = { kind: 'subscribe', to: everyClient, from, order, ...facts };
      const message = Buffer.from(signAnnouncement(subscribe, identity, Date.now())).toString('base64');
      socket.write(`${encodeDocument({ kind: 'signed', message })}\n`);
    };
    say(oak, 1);
    await ear.waitFor('signed');
    await vi.waitFor(() => expect(pi.server.status().dropped['not-its-own']).toBe(1), 5000);
    expect(pi.server.status().peers).toEqual([]);
    say(nuc, 1);
    say(nuc, 1);
    await vi.waitFor(() => {
      expect(pi.server.status().peers).toMatchObject([{ name: 'nuc', hearsUs: true, isConfirmed: false }]);
    }, 5000);
    // Its address is in no network of ours: nobody calls it, and so nobody moves to it.
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(pi.of('heard')).toHaveLength(1);
    expect(pi.of('linked')).toEqual([]);
  });

  it('drains: its client is sent away, and what is left is told that it stops', async () => {
    const [pi, nuc] = [await start('pi', { max: 9 }), await start('nuc')];
    await linked(pi, nuc);
    const { socket, ear, control } = await call(pi);
    await ear.waitFor('welcome');
    control({ kind: 'begin', offset: 0, time: 0, why: 'start' });
    const drained = pi.server.drain();
    await expect(ear.waitFor('redirect')).resolves.toMatchObject({ why: 'drain' });
    control({ kind: 'end', offset: 0 });
    socket.end();
    await drained;
    expect(nuc.server.status().peers).toMatchObject([{ name: 'pi', max: 0 }]);
  });

  it('says goodbye when it closes', async () => {
    const pi = await start('pi');
    const nuc = await start('nuc');
    await linked(pi, nuc);
    const { ear } = await call(pi);
    await ear.waitFor('welcome');
    await pi.server.close();
    await expect(ear.waitFor('bye')).resolves.toMatchObject({ reason: 'stopped' });
    expect(nuc.of('heard').some(({ server, max }) => server === 'pi' && max === 0)).toBe(true);
    expect(pi.sink.streams[0]?.isClosed).toBe(true);
  });

  it('obeys another configuration', async () => {
    const pi = await start('pi');
    const { ear } = await call(pi);
    await ear.waitFor('welcome');
    pi.server.configure({ ...loopback, suspendedClients: new Set(['default/door']) });
    await expect(ear.waitFor('bye')).resolves.toMatchObject({ reason: 'suspended' });
  });
});
