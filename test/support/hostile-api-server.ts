/** An API server by script: real TLS on loopback, answers that a test chooses, one after the other. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
}

/** Gives an answer, or none: false hands over to the honest part. */
export type Trick = (asked: Asked, response: ServerResponse, request: IncomingMessage) => boolean;

export interface TestObject {
  readonly metadata: {
    readonly name: string;
    readonly resourceVersion: string;
    readonly [more: string]: unknown;
  };
  readonly [more: string]: unknown;
}

export interface KeyPair {
  readonly key: string;
  readonly cert: string;
}

/** A self-signed certificate of 127.0.0.1: its own CA. */
export async function makeServerCertificate(directory: string, name: string): Promise<KeyPair> {
  const [key, cert] = [path.join(directory, `${name}.key`), path.join(directory, `${name}.crt`)];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  await run('openssl', ['req', '-x509', ...kind, ...names, '-keyout', key, '-out', cert]);
  return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
}

/** Holds nodes, lists and watches them honestly, and lets tricks speak first. */
export class HostileApiServer {
  readonly #server;
  readonly #watches = new Set<ServerResponse>();
  readonly #history: { readonly version: number; readonly line: string }[] = [];
  readonly objects = new Map<string, TestObject>();
  readonly asked: Asked[] = [];
  /** The first that answers is taken. */
  tricks: Trick[] = [];
  connections = 0;
  version = 100;
  url = '';

  constructor(keys: KeyPair) {
    this.#server = createServer(keys, (request, response) => this.#answer(request, response));
    this.#server.on('secureConnection', () => (this.connections += 1));
    this.#server.on('tlsClientError', () => undefined);
  }

  async listen(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.listen(0, '127.0.0.1', resolve);
    await promise;
    const address = this.#server.address();
    if (typeof address === 'object' && address !== null) this.url = `https://127.0.0.1:${address.port}`;
  }

  useCertificate(keys: KeyPair): void {
    this.#server.setSecureContext(keys);
    this.#server.closeAllConnections();
  }

  /** The next answer that `matches` is `trick`'s. */
  once(matches: (asked: Asked) => boolean, trick: (response: ServerResponse, asked: Asked) => void): void {
    let isDone = false;
    this.tricks.push((asked, response) => {
      if (isDone || !matches(asked)) return false;
      isDone = true;
      trick(response, asked);
      return true;
    });
  }

  put(name: string, more: object = {}): void {
    this.version += 1;
    const type = this.objects.has(name) ? 'MODIFIED' : 'ADDED';
    const object = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, resourceVersion: String(this.version) },
      ...more,
    };
    this.objects.set(name, object);
    this.#send({ type, object });
  }

  remove(name: string): void {
    const object = this.objects.get(name);
    if (object === undefined) return;
    this.version += 1;
    this.objects.delete(name);
    const metadata = { ...object.metadata, resourceVersion: String(this.version) };
    this.#send({ type: 'DELETED', object: { ...object, metadata } });
  }

  /** Old events are forgotten, as etcd does. */
  compact(): void {
    this.#history.length = 0;
  }

  /** Raw bytes into every open watch. */
  write(bytes: string): void {
    for (const watch of this.#watches) watch.write(bytes);
  }

  /** Resets every connection. */
  reset(): void {
    this.#server.closeAllConnections();
  }

  get watches(): number {
    return this.#watches.size;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  #send(event: object): void {
    const line = `${JSON.stringify(event)}\n`;
    this.#history.push({ version: this.version, line });
    this.write(line);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.url);
    const asked: Asked = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      authorization: request.headers.authorization,
    };
    this.asked.push(asked);
    request.resume();
    if (this.tricks.some((trick) => trick(asked, response, request))) return;
    if (asked.query.get('watch') === 'true') this.#watch(asked, response);
    else this.#list(asked, response);
  }

  #watch(asked: Asked, response: ServerResponse): void {
    const from = Number(asked.query.get('resourceVersion'));
    const oldest = this.#history[0]?.version ?? this.version + 1;
    if (from < oldest - 1) {
      refuse(response, 410, { reason: 'Expired', message: 'too old resource version' });
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const { version, line } of this.#history) if (version > from) response.write(line);
    this.#watches.add(response);
    response.on('close', () => this.#watches.delete(response));
  }

  #list(asked: Asked, response: ServerResponse): void {
    const limit = Number(asked.query.get('limit') ?? '500');
    const start = Number(asked.query.get('continue') ?? '0');
    const all = [...this.objects.values()];
    const more = start + limit < all.length ? { continue: String(start + limit) } : {};
    answer(response, {
      kind: 'List',
      metadata: { resourceVersion: String(this.version), ...more },
      items: all.slice(start, start + limit),
    });
  }
}

/** A whole JSON answer. */
export function answer(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** A Kubernetes Status. */
export function refuse(
  response: ServerResponse,
  code: number,
  status: { reason: string; message: string; headers?: Record<string, string> },
): void {
  const { headers = {}, ...words } = status;
  response.writeHead(code, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ kind: 'Status', code, ...words }));
}

/** The folder of a pod's service account below `prefix`. */
export async function writeServiceAccount(
  prefix: string,
  files: { ca: string; token: string },
): Promise<void> {
  const directory = path.join(prefix, 'var/run/secrets/kubernetes.io/serviceaccount');
  await mkdir(directory, { recursive: true });
  await writeFile(path.join(directory, 'ca.crt'), files.ca);
  await writeFile(path.join(directory, 'token'), files.token);
  await writeFile(path.join(directory, 'namespace'), 'homing-system');
}
