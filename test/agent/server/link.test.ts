import { once } from 'node:events';
import { type Server, type Socket, connect as dial, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Link } from '../../../agent/server/link.ts';
import { type HospDocument, encodeDocument } from '../../../protocol/documents.ts';
import { plainLeaf } from '../../support/leaf.ts';
import { hearLines } from '../../support/lines.ts';

const serves: HospDocument = { kind: 'serves', client: 'ab:EIW6Qe0ARnWrsJZTsHWada', term: 1 };

// Concurrent, as most of them wait for clocks of seconds.
describe.concurrent('a link', () => {
  let server: Server;
  const sockets: Socket[] = [];
  const links: Link[] = [];
  const accepted = new Map<number | undefined, Socket>();

  beforeAll(async () => {
    server = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1');
    server.on('connection', (socket) => accepted.set(socket.remotePort, socket));
    await once(server, 'listening');
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await Promise.all(links.map(({ closed }) => closed));
    server.close();
  });

  async function connection(): Promise<{ near: Socket; far: Socket }> {
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const far = dial({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    await once(far, 'connect');
    const near = await vi.waitUntil(() => accepted.get(far.localPort), 5000);
    sockets.push(near, far);
    return { near, far };
  }

  function open(socket: Socket, isOurs: boolean) {
    const heard: HospDocument[] = [];
    const lost: string[] = [];
    let opened = 0;
    const link = new Link({
      socket,
      leaf: plainLeaf('server', 'hcsp:/PtPvXYJSQsqwTJpPGjwog', 'nuc'),
      isOurs,
      owner: {
        onLine: (_link, document) => heard.push(document),
        onOpen: () => (opened += 1),
        onLost: (_link, reason) => lost.push(reason),
      },
    });
    links.push(link);
    return { link, heard, lost, opened: () => opened };
  }

  it('of two servers stays open by pings alone', async () => {
    const { near, far } = await connection();
    const [called, calling] = [open(near, false), open(far, true)];
    calling.link.open();
    calling.link.say(serves);
    await vi.waitFor(() => expect(called.heard).toEqual([serves]), 5000);
    await new Promise((resolve) => setTimeout(resolve, 3600));
    expect([...called.lost, ...calling.lost]).toEqual([]);
    expect([called.opened(), calling.opened()]).toEqual([1, 1]);
    expect(called.link.localAddress).toBe('127.0.0.1');
  });

  it('that is called says nothing before its caller has spoken', async () => {
    const { near, far } = await connection();
    const ear = hearLines(far);
    const { opened } = open(near, false);
    await new Promise((resolve) => setTimeout(resolve, 1300));
    expect(ear.lines).toEqual([]);
    expect(opened()).toBe(0);
    far.write(`${encodeDocument({ kind: 'ping' })}\n`);
    await ear.waitFor('ping');
    expect(opened()).toBe(1);
  });

  it('is lost after 3 s of silence, and at once when the peer closes it', async () => {
    const { near, far } = await connection();
    const silent = open(near, true);
    silent.link.open();
    const other = await connection();
    const closing = open(other.near, true);
    closing.link.open();
    other.far.destroy();
    await vi.waitFor(() => expect(closing.lost).toHaveLength(1), 2000);
    expect(silent.lost).toEqual([]);
    await vi.waitFor(() => expect(silent.lost).toEqual(['silent']), 10_000);
    far.destroy();
  });

  it.each([
    ['no document', 'garbage\n', 'not-xml'],
    ['an endless line', 'x'.repeat(20_000), 'line-too-long'],
  ])('ends at %s', async (_what, bytes, reason) => {
    const { near, far } = await connection();
    const ear = hearLines(far);
    const { lost, heard } = open(near, false);
    far.write(bytes);
    await vi.waitFor(() => expect(lost).toEqual([reason]), 5000);
    await vi.waitFor(() => expect(ear.hasEnded).toBe(true), 5000);
    expect(heard).toEqual([]);
  });

  it('reads at most 100 lines each 200 ms of a peer that floods it, and all of them in the end', async () => {
    const { near, far } = await connection();
    const { heard, lost } = open(near, false);
    const startedAtMs = performance.now();
    far.write(`${encodeDocument(serves)}\n`.repeat(450));
    await vi.waitFor(() => expect(heard).toHaveLength(450), 10_000);
    expect(performance.now() - startedAtMs).toBeGreaterThan(500);
    expect(lost).toEqual([]);
  });
});
