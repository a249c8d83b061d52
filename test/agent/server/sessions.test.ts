import { once } from 'node:events';
import { type Server, type Socket, connect as dial, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ClientSession, type SessionOwner } from '../../../agent/server/sessions.ts';
import { type Connect, type HospDocument, encodeDocument } from '../../../protocol/documents.ts';
import { encodeFrame } from '../../../protocol/frames.ts';
import { plainLeaf } from '../../support/leaf.ts';
import { type LineEar, hearLines } from '../../support/lines.ts';
import { type MemorySink, openMemorySink } from '../../support/memory-sink.ts';

const serverId = 'hcsp:/PtPvXYJSQsqwTJpPGjwog';
const clientId = 'ab:EIW6Qe0ARnWrsJZTsHWada';
const leaf = plainLeaf('client', clientId, 'default/door');
const hello: Connect = {
  kind: 'connect',
  to: serverId,
  from: clientId,
  stream: 'main',
  media: 'video/mp2t',
  term: 7,
  requires: [],
  weights: {},
  mode: 'Best',
  moveAfterMs: 0,
};

// Concurrent, as most of them wait for clocks of seconds.
describe.concurrent('a client session', () => {
  let server: Server;
  const sockets: Socket[] = [];
  const sessions: ClientSession[] = [];
  const accepted = new Map<number | undefined, Socket>();

  beforeAll(async () => {
    server = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1');
    server.on('connection', (socket) => accepted.set(socket.remotePort, socket));
    await once(server, 'listening');
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await Promise.all(sessions.map(({ closed }) => closed));
    server.close();
  });

  /** A raw client and the session at the other end of its connection. */
  async function open(
    options: { sink?: Parameters<typeof openMemorySink>[1]; owner?: Partial<SessionOwner> } = {},
  ) {
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const socket = dial({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    await once(socket, 'connect');
    const incoming = await vi.waitUntil(() => accepted.get(socket.localPort), 5000);
    sockets.push(socket, incoming);
    const gone: string[] = [];
    const marks: string[] = [];
    const sink: MemorySink = openMemorySink(
      { onDurable: (stream) => session.durableRose(stream) },
      options.sink,
    );
    const owner: SessionOwner = {
      onHello: (asking) => asking.welcome([sink]),
      onBegun: () => marks.push('begun'),
      onEnded: () => marks.push('ended'),
      onRefused: () => undefined,
      onGone: (_session, reason) => gone.push(reason),
      ...options.owner,
    };
    const session = new ClientSession({ socket: incoming, leaf, serverId, owner });
    sessions.push(session);
    const ear: LineEar = hearLines(socket);
    const sayHello = (change: Partial<Connect> = {}) =>
      socket.write(`${encodeDocument({ ...hello, ...change })}\n`);
    const control = (document: HospDocument) =>
      socket.write(encodeFrame('control', encodeDocument(document)));
    const begin = (offset: number) => control({ kind: 'begin', offset, time: 0, why: 'start' });
    const media = (bytes: string | Buffer) => socket.write(encodeFrame('media', Buffer.from(bytes)));
    return { socket, session, ear, sink, gone, marks, sayHello, control, begin, media };
  }

  it('takes counted and injected bytes into its sinks, and acks their offsets', async () => {
    const { socket, ear, sink, marks, sayHello, begin, media, control } = await open();
    sayHello();
    await ear.waitFor('welcome');
    begin(1000);
    socket.write(encodeFrame('injected', Buffer.from('tables')));
    media('hello ');
    media('world');
    control({ kind: 'end', offset: 1011 });
    await expect(ear.waitFor('ack', ({ received }) => received === 1011)).resolves.toMatchObject({
      durable: 1011,
    });
    const [stream] = sink.streams;
    expect(stream?.address).toEqual({ name: 'default/door', stream: 'main', term: 7, media: 'video/mp2t' });
    expect(stream?.bytes.toString()).toBe('hello world');
    expect(stream?.injected).toBe(6);
    expect(stream?.parts).toEqual([{ offset: 1000, why: 'start' }]);
    expect(marks).toEqual(['begun', 'ended']);
  });

  it('acks at least four times a second while bytes flow, and once a second otherwise', async () => {
    const { ear, sayHello, begin, media } = await open();
    sayHello();
    await ear.waitFor('welcome');
    begin(0);
    const flowUntil = performance.now() + 1500;
    while (performance.now() < flowUntil) {
      media('x'.repeat(100));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const acks = ear.all('ack').length;
    expect(acks).toBeGreaterThanOrEqual(5);
    await ear.waitFor('ack', ({ received, durable }) => received === durable);
    const before = ear.lines.length;
    await vi.waitFor(() => expect(ear.lines.length).toBeGreaterThanOrEqual(before + 2), 10_000);
    const quiet = ear.lines.slice(-2).map(({ atMs }) => atMs);
    expect((quiet[1] ?? 0) - (quiet[0] ?? 0)).toBeGreaterThan(600);
  });

  it('goes on acking four times a second while a received byte is not durable, and lets durable not rise', async () => {
    const { ear, sink, sayHello, begin, media } = await open({ sink: { sync: 'never' } });
    sayHello();
    await ear.waitFor('welcome');
    begin(5);
    media('frozen');
    await ear.waitFor('ack', ({ received }) => received === 11);
    const before = ear.all('ack').length;
    await vi.waitFor(() => expect(ear.all('ack').length).toBeGreaterThanOrEqual(before + 4), 10_000);
    expect(ear.all('ack').every(({ durable }) => durable <= 5)).toBe(true);
    sink.streams[0]?.sync();
    await ear.waitFor('ack', ({ durable }) => durable === 11);
  });

  it('sends a client away when its bytes can never become durable, so that it begins anew', async () => {
    const { ear, sink, gone, sayHello, begin, media } = await open({ sink: { sync: 'never' } });
    sayHello();
    await ear.waitFor('welcome');
    begin(0);
    media('safe');
    await ear.waitFor('ack', ({ received }) => received === 4);
    sink.streams[0]?.sync();
    media('not safe');
    await ear.waitFor('ack', ({ received, durable }) => received === 12 && durable === 4);
    expect(gone).toEqual([]);
    sink.streams[0]?.freeze();
    await expect(ear.waitFor('bye')).resolves.toEqual({ kind: 'bye', reason: 'error' });
    expect(ear.all('ack').at(-1)).toMatchObject({ received: 12, durable: 4 });
    expect(gone).toEqual(['frozen']);
    await vi.waitFor(() => expect(sink.streams[0]?.isClosed).toBe(true), 5000);
  });

  it('goes on where only a sink that is not durable has failed', async () => {
    const { ear, sink, gone, sayHello, begin, media } = await open({
      sink: { sync: 'never', isDurable: false },
    });
    sayHello();
    await ear.waitFor('welcome');
    begin(0);
    sink.streams[0]?.freeze();
    media('seen');
    await ear.waitFor('ack', ({ durable }) => durable === 4);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(gone).toEqual([]);
  });

  it('does not keep a client that closed its side waiting for what can never become durable', async () => {
    const { socket, ear, sink, sayHello, begin, media } = await open({ sink: { sync: 'never' } });
    sayHello();
    await ear.waitFor('welcome');
    begin(0);
    media('lost here');
    await ear.waitFor('ack', ({ received }) => received === 9);
    const closedAt = performance.now();
    socket.end();
    sink.streams[0]?.freeze();
    await vi.waitFor(() => expect(ear.hasEnded).toBe(true), 8000);
    expect(performance.now() - closedAt).toBeLessThan(8000);
    expect(ear.all('ack').at(-1)).toMatchObject({ durable: 0 });
  });

  it('commits and acks at once on end', async () => {
    const { ear, sink, sayHello, begin, media, control } = await open({ sink: { sync: 'onCommit' } });
    sayHello();
    await ear.waitFor('welcome');
    begin(0);
    media('last');
    control({ kind: 'end', offset: 4 });
    await ear.waitFor('ack', ({ durable }) => durable === 4);
    expect(sink.streams[0]?.commits).toBe(1);
  });

  it('takes received for durable where no sink is durable', async () => {
    const { ear, sayHello, begin, media } = await open({ sink: { sync: 'never', isDurable: false } });
    sayHello();
    begin(0);
    media('seen');
    await expect(ear.waitFor('ack', ({ received }) => received === 4)).resolves.toMatchObject({ durable: 4 });
  });

  it('reads what follows the hello in the same packet only after the welcome', async () => {
    const asked: ClientSession[] = [];
    const { socket, ear, sink } = await open({ owner: { onHello: (session) => asked.push(session) } });
    socket.write(
      Buffer.concat([
        Buffer.from(`${encodeDocument(hello)}\n`),
        encodeFrame('control', encodeDocument({ kind: 'begin', offset: 0, time: 0, why: 'start' })),
        encodeFrame('media', Buffer.from('early')),
      ]),
    );
    await vi.waitFor(() => expect(asked).toHaveLength(1), 5000);
    expect(sink.streams).toHaveLength(0);
    asked[0]?.welcome([sink]);
    await ear.waitFor('ack', ({ received }) => received === 5);
    expect(sink.streams[0]?.bytes.toString()).toBe('early');
  });

  it('gives the last ack to a client that closed its side', async () => {
    const { socket, ear, sink, gone, sayHello, begin, media } = await open({ sink: { sync: 'onCommit' } });
    sayHello();
    await ear.waitFor('welcome');
    begin(0);
    media('bytes then FIN');
    socket.end();
    await ear.waitFor('ack', ({ durable }) => durable === 14);
    await ear.waitForClose();
    expect(gone).toEqual(['fin']);
    expect(sink.streams[0]?.isClosed).toBe(true);
  });

  it('stops reading while the disk does not keep up, and goes on when it does', async () => {
    const { socket, session, ear, sink, sayHello, begin, media } = await open({ sink: { sync: 'never' } });
    sayHello();
    await ear.waitFor('welcome');
    begin(0);
    const frame = Buffer.alloc(65_536);
    for (let count = 0; count < 320; count += 1) media(frame);
    await vi.waitFor(() => expect(session.received).toBeGreaterThan(4 << 20), 5000);
    const stopped = session.received;
    expect(stopped).toBeLessThan(8 << 20);
    expect(socket.writableLength).toBeGreaterThan(0);
    const syncing = setInterval(() => sink.streams[0]?.sync(), 5);
    await vi.waitFor(() => expect(session.received).toBe(320 * 65_536), 10_000);
    clearInterval(syncing);
  });

  it.each([
    ['a hello for another server', encodeDocument({ ...hello, to: 'hcsp:gc3YWhxMRQGVbboYIEgxwA' })],
    ['a hello of another client', encodeDocument({ ...hello, from: 'ab:AAAAAAAAAAAAAAAAAAAAAA' })],
    ['another document', encodeDocument({ kind: 'ping' })],
    ['no document', 'GET / HTTP/1.1'],
    ['an endless line', 'x'.repeat(9000)],
  ])('says bye to %s', async (_what, line) => {
    const { socket, ear, gone } = await open();
    socket.write(`${line}\n`);
    await expect(ear.waitFor('bye')).resolves.toMatchObject({ reason: 'error' });
    await vi.waitFor(() => expect(ear.hasEnded).toBe(true), 5000);
    expect(gone).toHaveLength(1);
  });

  it.each<[string, (raw: Awaited<ReturnType<typeof open>>) => void, string]>([
    ['bytes before begin', ({ media }) => media('x'), 'bytes-before-begin'],
    [
      'a begin behind what was received',
      ({ begin, media }) => (begin(9), media('x'), begin(9)),
      'begin-backwards',
    ],
    [
      'an end that is not where the bytes end',
      ({ begin, control }) => (begin(9), control({ kind: 'end', offset: 8 })),
      'end-offset',
    ],
    [
      'bytes after end',
      ({ begin, control, media }) => (begin(9), control({ kind: 'end', offset: 9 }), media('x')),
      'bytes-before-begin',
    ],
    [
      'offsets beyond 2^53',
      ({ begin, media }) => (begin(Number.MAX_SAFE_INTEGER), media('x')),
      'offset-too-large',
    ],
    ['a frame of no length', ({ socket }) => socket.write(Buffer.alloc(4)), 'frame-length'],
    ['a frame that is both', ({ socket }) => socket.write(Buffer.from([0xc0, 0, 0, 1, 0])), 'frame-flags'],
    ['a frame that is too long', ({ socket }) => socket.write(Buffer.from([0, 1, 0, 1])), 'frame-length'],
    [
      'control that is no document',
      ({ socket }) => socket.write(encodeFrame('control', 'garbage')),
      'not-xml',
    ],
    ['a document that only servers say', ({ control }) => control({ kind: 'welcome' }), 'document'],
  ])('says bye to %s', async (_what, act, reason) => {
    const raw = await open();
    raw.sayHello();
    await raw.ear.waitFor('welcome');
    act(raw);
    await expect(raw.ear.waitFor('bye')).resolves.toMatchObject({ reason: 'error' });
    expect(raw.gone).toEqual([reason]);
    await vi.waitFor(() => expect(raw.sink.streams[0]?.isClosed).toBe(true), 5000);
  });

  it('tells its owner that a client stays, and goes on', async () => {
    const refused: unknown[] = [];
    const { ear, sayHello, control, begin, media } = await open({
      owner: { onRefused: (_session, document) => refused.push(document) },
    });
    sayHello();
    await ear.waitFor('welcome');
    control({ kind: 'refused', id: 'hcsp:gc3YWhxMRQGVbboYIEgxwA', reason: 'unreachable' });
    begin(0);
    media('on');
    await ear.waitFor('ack', ({ received }) => received === 2);
    expect(refused).toMatchObject([{ id: 'hcsp:gc3YWhxMRQGVbboYIEgxwA', reason: 'unreachable' }]);
  });

  it('lets what came become durable before it sends away whose CA is not trusted any more', async () => {
    const { session, ear, sink, gone, sayHello, begin, media } = await open({ sink: { sync: 'never' } });
    sayHello();
    await ear.waitFor('welcome');
    begin(0);
    media('kept');
    await ear.waitFor('ack', ({ received }) => received === 4);
    session.release('untrusted');
    media('not read');
    await ear.waitFor('ack', ({ received, durable }) => received === 4 && durable === 0);
    expect(gone).toEqual([]);
    sink.streams[0]?.sync();
    await expect(ear.waitFor('bye')).resolves.toEqual({ kind: 'bye', reason: 'untrusted' });
    expect(ear.all('ack').at(-1)).toMatchObject({ received: 4, durable: 4 });
    expect(gone).toEqual(['bye untrusted']);
  });

  it('waits for that no longer than 10 s', async () => {
    const { session, ear, sayHello, begin, media } = await open({ sink: { sync: 'never' } });
    sayHello();
    await ear.waitFor('welcome');
    begin(0);
    media('stuck');
    await ear.waitFor('ack', ({ received }) => received === 5);
    session.release('untrusted');
    await vi.waitFor(() => expect(ear.all('bye')).toHaveLength(1), 18_000);
  });

  it('says goodbye with the last ack first, and reads nothing more', async () => {
    const { session, ear, sink, gone, sayHello, begin, media } = await open();
    sayHello();
    await ear.waitFor('welcome');
    begin(0);
    media('kept');
    await ear.waitFor('ack', ({ received }) => received === 4);
    session.bye('replaced', 8);
    media('not kept');
    await expect(ear.waitFor('bye')).resolves.toEqual({ kind: 'bye', reason: 'replaced', term: 8 });
    await vi.waitFor(() => expect(ear.hasEnded).toBe(true), 5000);
    expect(sink.streams[0]?.bytes.toString()).toBe('kept');
    expect(ear.lines.at(-1)?.document.kind).toBe('bye');
    expect(gone).toEqual(['bye replaced']);
  });

  it('ends a session whose hello does not come', async () => {
    const { socket, ear, gone } = await open();
    socket.write('<hosp ');
    await expect(ear.waitFor('bye')).resolves.toMatchObject({ reason: 'error' });
    expect(gone).toEqual(['hello timeout']);
  });

  it('ends a session of which no frame comes for 10 s, and not one that pings', async () => {
    const [silent, pinging] = [await open(), await open()];
    silent.sayHello();
    pinging.sayHello();
    const pings = setInterval(() => pinging.control({ kind: 'ping' }), 1000);
    await vi.waitFor(() => expect(silent.gone).toEqual(['silent']), 18_000);
    clearInterval(pings);
    expect(pinging.gone).toEqual([]);
  });
});
