import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KubeError, loadKubeConnection, type KubeConnection } from '../../../operator/kube/connection.ts';
import { watchResources, type Informer, type WatchOptions } from '../../../operator/kube/informer.ts';
import { nodes } from '../../../operator/kube/kinds.ts';
import type { ResourceChange } from '../../../operator/kube/resource-store.ts';
import {
  answer,
  HostileApiServer,
  makeServerCertificate,
  refuse,
  writeServiceAccount,
  type Asked,
  type KeyPair,
} from '../../support/hostile-api-server.ts';

const token = 'first-token-1234567890';
let directory: string;
let keys: KeyPair;
let server: HostileApiServer;
let connection: KubeConnection;
let informers: Informer[];
let changes: ResourceChange[];
let errors: Error[];

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'homing-kube-'));
  keys = await makeServerCertificate(directory, 'one');
  server = new HostileApiServer(keys);
  await server.listen();
  await writeServiceAccount(directory, { ca: keys.cert, token: `${token}\n` });
  vi.stubEnv('KUBERNETES_SERVICE_HOST', '127.0.0.1');
  vi.stubEnv('KUBERNETES_SERVICE_PORT', new URL(server.url).port);
  connection = await loadKubeConnection(undefined, undefined, directory);
  informers = [];
  changes = [];
  errors = [];
});

afterEach(async () => {
  for (const informer of informers) informer.close();
  connection.close();
  await server.close();
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true });
});

function follow(more: Partial<WatchOptions> = {}): Informer {
  const informer = watchResources({
    connection,
    kind: nodes,
    onChange: (change) => changes.push(change),
    onError: (error) => errors.push(error),
    ...more,
  });
  informers.push(informer);
  return informer;
}

async function until(isSo: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(isSo()).toBe(true), { timeout: 15_000, interval: 10 });
}

/** Every object, whole, and no other. */
async function expectEqual(informer: Informer): Promise<void> {
  await vi.waitFor(
    () => {
      const known = informer
        .list()
        .map((object) => JSON.stringify(object))
        .sort();
      const there = [...server.objects.values()].map((object) => JSON.stringify(object)).sort();
      expect(known).toEqual(there);
    },
    { timeout: 15_000, interval: 10 },
  );
}

const isWatch = ({ query }: Asked) => query.get('watch') === 'true';
const isList = (asked: Asked) => !isWatch(asked);

async function errorOf(promise: Promise<unknown>): Promise<KubeError> {
  const error = await promise.then(
    () => undefined,
    (why: unknown) => why,
  );
  if (!(error instanceof KubeError)) throw new Error('it did not fail as it should');
  return error;
}

const ask = { method: 'GET', path: '/api/v1/nodes' } as const;

describe('an informer on a server that misbehaves', () => {
  it('follows what is put, changed and removed, and keeps fields that nobody knows', async () => {
    server.put('a', { spec: { unheardOf: [1, { two: 3 }] } });
    const informer = follow();
    await until(() => server.watches === 1);
    server.put('b');
    server.put('a', { spec: { unheardOf: 'other' } });
    server.remove('b');
    await expectEqual(informer);
    await until(() => changes.length === 5);
    expect(changes.map((change) => `${change.type} ${'key' in change ? change.key : ''}`)).toEqual([
      'put a',
      'synced ',
      'put b',
      'put a',
      'gone b',
    ]);
    expect(changes[3]).toMatchObject({
      previous: { spec: { unheardOf: [1, { two: 3 }] } },
      object: { spec: { unheardOf: 'other' } },
    });
    expect(errors).toEqual([]);
  });

  it('reads 1,201 objects in three pages', async () => {
    for (let n = 0; n < 1201; n += 1) server.put(`n${n}`);
    await expectEqual(follow());
    expect(server.asked.filter(isList).map(({ query }) => query.get('continue'))).toEqual([
      null,
      '500',
      '1000',
    ]);
  });

  it('begins a list anew whose next page has expired', async () => {
    for (let n = 0; n < 600; n += 1) server.put(`n${n}`);
    server.once(
      ({ query }) => query.has('continue'),
      (response) => {
        refuse(response, 410, { reason: 'Expired', message: 'the provided continue parameter is too old' });
        server.remove('n3');
      },
    );
    const informer = follow();
    await expectEqual(informer);
    expect(informer.get('n3')).toBeUndefined();
    expect(errors).toMatchObject([{ status: 410, reason: 'Expired' }]);
  });

  it('tries again after a list that is reset in its middle', async () => {
    server.put('a');
    server.once(isList, (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{"items":[');
      setImmediate(() => response.socket?.destroy());
    });
    await expectEqual(follow());
    expect(errors).toMatchObject([{ status: 0, reason: 'NoAnswer' }]);
  });

  it('goes on behind the last event after a watch is reset, without a second list', async () => {
    const informer = follow();
    await until(() => server.watches === 1);
    server.put('a');
    await until(() => informer.get('a') !== undefined);
    server.reset();
    server.put('b');
    await expectEqual(informer);
    expect(server.asked.filter(isList)).toHaveLength(1);
  });

  it.each([
    ['of HTTP', () => undefined],
    [
      'in the stream',
      () =>
        server.once(isWatch, (response) => {
          response.writeHead(200, { 'content-type': 'application/json' });
          response.end('{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n');
        }),
    ],
  ])('lists again on a 410 %s, and tells what went missing', async (_where, arrange) => {
    server.put('stays');
    server.put('goes');
    const informer = follow();
    await until(() => server.watches === 1);
    arrange();
    // What happens while nobody watches, and is compacted then.
    server.tricks.push(
      ((isDone) => (asked: Asked) => {
        if (!isDone && isWatch(asked)) {
          isDone = true;
          server.remove('goes');
          server.put('comes');
          server.compact();
        }
        return false;
      })(false),
    );
    const [first] = server.tricks.splice(-1);
    if (first !== undefined) server.tricks.unshift(first);
    server.reset();
    await expectEqual(informer);
    await until(() => changes.some(({ type }) => type === 'gone'));
    expect(changes.filter(({ type }) => type === 'gone')).toMatchObject([{ key: 'goes' }]);
    expect(server.asked.filter(isList)).toHaveLength(2);
  });

  it('waits as long as a 429 says', async () => {
    server.put('a');
    let refusedMs = 0;
    server.once(isList, (response) => {
      refusedMs = performance.now();
      const headers = { 'retry-after': '2' };
      refuse(response, 429, { reason: 'TooManyRequests', message: 'slow down', headers });
    });
    const informer = follow();
    await expectEqual(informer);
    expect(performance.now() - refusedMs).toBeGreaterThan(1900);
    expect(errors).toMatchObject([{ status: 429, retryAfterMs: 2000 }]);
  });

  it('outlasts 500s, HTML pages of a proxy and a wrong content type of list and watch', async () => {
    server.put('a');
    const page = '<html>Bad Gateway</html>';
    server.once(isList, (response) => refuse(response, 500, { reason: 'InternalError', message: 'etcd' }));
    server.once(isList, (response) => response.writeHead(502, { 'content-type': 'text/html' }).end(page));
    server.once(isList, (response) => response.writeHead(200, { 'content-type': 'text/html' }).end(page));
    server.once(isWatch, (response) => response.writeHead(200, { 'content-type': 'text/html' }).end(page));
    const informer = follow();
    await until(() => server.watches === 1);
    server.put('b');
    await expectEqual(informer);
    expect(errors.map((error) => Reflect.get(error, 'reason'))).toEqual([
      'InternalError',
      'NotKubernetes',
      'NotKubernetes',
      'NotKubernetes',
    ]);
  });

  it('leaves a watch that says nothing, and misses nothing', async () => {
    server.once(isWatch, (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      server.put('unheard');
    });
    const informer = follow({ idleMs: 300 });
    await until(() => informer.get('unheard') !== undefined);
    expect(errors[0]?.message).toBe('watching /api/v1/nodes: silent for 300 ms');
  });

  it('takes a watch that ends in the middle of a line, and gets that event again', async () => {
    server.once(isWatch, (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      server.put('a');
      response.end(JSON.stringify({ type: 'ADDED', object: server.objects.get('a') }).slice(0, 40));
    });
    const informer = follow();
    await until(() => informer.get('a') !== undefined);
    await expectEqual(informer);
    expect(server.asked.filter(isList)).toHaveLength(1);
  });

  it('lists again after a line that is no JSON, and after one of 20 MB', async () => {
    server.put('a');
    const informer = follow();
    await until(() => server.watches === 1);
    server.write('{"type":"ADDED","object":{"metadata":\n');
    await until(() => errors.length === 1 && server.watches === 1);
    server.write(`{"type":"ADDED","object":{"filler":"${'x'.repeat(20_000_000)}"}}\n`);
    server.put('b');
    await expectEqual(informer);
    expect(errors.slice(0, 2).map(({ message }) => message)).toEqual([
      'watching /api/v1/nodes: a line is no event',
      'watching /api/v1/nodes: a line is too long',
    ]);
    expect(server.asked.filter(isList)).toHaveLength(3);
  });

  it('drops and counts objects without a name and events of an unknown type', async () => {
    const informer = follow();
    await until(() => server.watches === 1);
    server.write('{"type":"ADDED","object":{"spec":{}}}\n{"type":"RENAMED","object":{"metadata":{}}}\n');
    server.write('{"type":"BOOKMARK","object":{}}\n\n');
    server.put('a');
    await expectEqual(informer);
    expect(informer.dropped).toBe(3);
    expect(errors).toEqual([]);
  });

  it('reads a watch that drips byte by byte', async () => {
    server.once(isWatch, (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      server.put('ä€😀');
      const bytes = Buffer.from(`${JSON.stringify({ type: 'ADDED', object: server.objects.get('ä€😀') })}\n`);
      let at = 0;
      const timer = setInterval(() => {
        response.write(bytes.subarray(at, at + 1));
        at += 1;
        if (at === bytes.length) clearInterval(timer);
      }, 2);
    });
    const informer = follow({ idleMs: 1000 });
    await until(() => informer.get('ä€😀') !== undefined);
    await expectEqual(informer);
  });

  it('refuses gzip that nobody asked for, and goes on', async () => {
    server.put('a');
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    server.once(isList, (response) => response.writeHead(200, headers).end(gzipSync('{}')));
    server.once(isWatch, (response) => response.writeHead(200, headers).end(gzipSync('{}')));
    const informer = follow();
    await until(() => server.watches === 1);
    await expectEqual(informer);
    expect(errors.map((error) => Reflect.get(error, 'reason'))).toEqual(['NotKubernetes', 'NotKubernetes']);
  });

  it('does not ask in a storm where every watch ends at once', async () => {
    server.tricks.push((asked, response) => {
      if (!isWatch(asked)) return false;
      response.writeHead(200, { 'content-type': 'application/json' }).end();
      return true;
    });
    follow();
    await until(() => errors.length >= 2);
    expect(server.asked.filter(isWatch).length).toBeLessThanOrEqual(3);
  });

  it('survives a listener that throws', async () => {
    let heard = 0;
    const informer = follow({
      onChange: () => {
        heard += 1;
        throw new Error('ours');
      },
    });
    await until(() => server.watches === 1);
    server.put('a');
    await expectEqual(informer);
    await until(() => heard === 2);
    expect(errors.map(({ message }) => message)).toEqual(['ours', 'ours']);
    expect(server.asked.filter(isWatch)).toHaveLength(1);
  });

  it('says nothing any more after close', async () => {
    const informer = follow();
    await until(() => server.watches === 1);
    informer.close();
    await until(() => server.watches === 0);
    const told = changes.length;
    server.put('a');
    expect(changes).toHaveLength(told);
    expect(errors).toEqual([]);
  });
});

describe('requests', () => {
  it('go over few sockets that stay open', async () => {
    await Promise.all(Array.from({ length: 40 }, () => connection.request(ask)));
    await connection.request(ask);
    expect(server.asked).toHaveLength(41);
    expect(server.connections).toBeLessThanOrEqual(4);
  });

  it('are not kept waiting by many watches', async () => {
    for (let n = 0; n < 12; n += 1) follow();
    await until(() => server.watches === 12);
    expect((await connection.request(ask)).status).toBe(200);
  });

  it('read the token again when it is refused, and never say it', async () => {
    const isOld = ({ authorization }: Asked) => authorization === `Bearer ${token}`;
    await connection.request(ask);
    server.tricks.push((asked, response) => {
      if (isOld(asked)) refuse(response, 401, { reason: 'Unauthorized', message: 'Unauthorized' });
      return isOld(asked);
    });
    const error = await errorOf(connection.request(ask));
    expect(error).toMatchObject({ status: 401, reason: 'Unauthorized' });
    expect(JSON.stringify([error, error.message, error.stack])).not.toContain(token);
    await writeServiceAccount(directory, { ca: keys.cert, token: 'second-token' });
    expect((await connection.request(ask)).status).toBe(200);
    expect(server.asked.at(-1)?.authorization).toBe('Bearer second-token');
  });

  it('do not repeat what a proxy echoes', async () => {
    server.tricks.push((asked, response) => {
      response.writeHead(400, { 'content-type': 'text/html' }).end(`<pre>${asked.authorization}</pre>`);
      return true;
    });
    const error = await errorOf(connection.request(ask));
    expect(error.message).toBe('GET /api/v1/nodes: answered with 400, and not by Kubernetes ("text/html")');
  });

  it('trust a CA file that was replaced, and no server without it', async () => {
    await connection.request(ask);
    const second = await makeServerCertificate(directory, 'two');
    server.useCertificate(second);
    const error = await errorOf(connection.request(ask));
    expect(error).toMatchObject({ status: 0, reason: 'NoAnswer' });
    await writeServiceAccount(directory, { ca: second.cert, token });
    expect((await connection.request(ask)).status).toBe(200);
  });

  it('end in time where the answer drips or never comes', async () => {
    server.once(
      () => true,
      () => undefined,
    );
    server.once(
      () => true,
      (response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const timer = setInterval(() => response.write(' '), 20);
        response.on('close', () => clearInterval(timer));
      },
    );
    for (const _kind of ['none', 'drip']) {
      const error = await errorOf(connection.request({ ...ask, timeoutMs: 300 }));
      expect(error.message).toBe('GET /api/v1/nodes: no whole answer in time');
    }
  });

  it('are asked again where a kept socket was closed already, but no POST', async () => {
    await connection.request(ask);
    const resets = (asked: Asked) => asked.query.has('reset');
    server.once(resets, (response) => response.socket?.destroy());
    expect((await connection.request({ ...ask, query: { reset: 'x' } })).status).toBe(200);
    server.once(resets, (response) => response.socket?.destroy());
    const post = { ...ask, method: 'POST', query: { reset: 'x' }, body: {} } as const;
    expect(await errorOf(connection.request(post))).toMatchObject({ status: 0 });
    expect(server.asked.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  it('end with the signal of who asked', async () => {
    server.once(
      () => true,
      () => undefined,
    );
    const abort = new AbortController();
    const asked = errorOf(connection.request({ ...ask, signal: abort.signal }));
    await until(() => server.asked.length === 1);
    abort.abort();
    expect(await asked).toMatchObject({ status: 0, reason: 'NoAnswer' });
  });

  it('give the refusal as the server said it', async () => {
    const message = 'nodes is forbidden: User "x" cannot list resource "nodes"';
    server.once(
      () => true,
      (response) => refuse(response, 403, { reason: 'Forbidden', message }),
    );
    const error = await errorOf(connection.request(ask));
    expect(error).toMatchObject({ status: 403, reason: 'Forbidden' });
    expect(error.message).toBe(`GET /api/v1/nodes: 403 Forbidden: ${message}`);
  });

  it('give a whole object', async () => {
    server.once(
      () => true,
      (response) => answer(response, { whole: [1] }),
    );
    expect(await connection.request(ask)).toEqual({ status: 200, body: { whole: [1] } });
  });
});
