/** The connection to a Kubernetes API server: requests over few sockets that stay open, with whatever credentials the kubeconfig says. */
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { readBody, readRefusal, type Answer, type Refusal } from './answers.ts';
import { readKubeconfig, type Access, type Kubeconfig } from './kubeconfig.ts';

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `/api/v1/nodes` */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  /** Until the whole answer is here, of a stream until it begins; 30 s unless given. */
  readonly timeoutMs?: number;
}

export interface KubeConnection {
  request(request: KubeRequest): Promise<{ readonly status: number; readonly body: unknown }>;
  /** The open answer, for watches. */
  stream(request: KubeRequest): Promise<IncomingMessage>;
  close(): void;
}

/**
 * The API server's refusal. `status` is HTTP's; 0 where nobody answered, and `reason` then `NoAnswer` (or `NoCredentials`).
 * Its message says what was asked, and never a token.
 */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    { status, reason, retryAfterMs }: { status: number; reason: string; retryAfterMs?: number },
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Reads a kubeconfig (or the usual places, or the pod's service account) and is ready to ask. */
export async function loadKubeConnection(
  kubeconfigPath?: string,
  context?: string,
  serviceAccountPrefix?: string,
): Promise<KubeConnection> {
  return new Connection(readKubeconfig({ path: kubeconfigPath, context, serviceAccountPrefix }));
}

const defaultTimeoutMs = 30_000;
/** Our choice: a page of 500 objects of 100 KiB, and some. */
const maxAnswerBytes = 64 * 1024 * 1024;
/** Errors hold no more than the reason. */
const maxRefusalBytes = 64 * 1024;
/** Resumed sessions would skip the check of the server's certificate; idle sockets are given back after a minute. */
const keptOpen = { keepAlive: true, maxCachedSessions: 0, timeout: 60_000 };

class Connection implements KubeConnection {
  readonly #kubeconfig: Kubeconfig;
  readonly #closed = new AbortController();
  readonly #requests = new Agent({ ...keptOpen, maxSockets: 4 });
  /** Apart: a watch holds its socket, and a tenth kind of it must not keep requests waiting. */
  readonly #streams = new Agent(keptOpen);

  constructor(kubeconfig: Kubeconfig) {
    this.#kubeconfig = kubeconfig;
  }

  async request(request: KubeRequest): Promise<{ readonly status: number; readonly body: unknown }> {
    const what = `${request.method} ${request.path}`;
    const deadline = AbortSignal.timeout(request.timeoutMs ?? defaultTimeoutMs);
    const signal = AbortSignal.any([deadline, ...(request.signal === undefined ? [] : [request.signal])]);
    try {
      const response = await this.#ask({ ...request, signal }, this.#requests);
      const answer = await readAnswer(response, maxAnswerBytes);
      const read = readBody(answer, what);
      if ('body' in read) return { status: answer.status, body: read.body };
      throw errorOf(read);
    } catch (error) {
      throw this.#describe(error, what, deadline.aborted && request.signal?.aborted !== true);
    }
  }

  async stream(request: KubeRequest): Promise<IncomingMessage> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), request.timeoutMs ?? defaultTimeoutMs);
    const signal = AbortSignal.any([late.signal, ...(request.signal === undefined ? [] : [request.signal])]);
    try {
      return await this.#ask({ ...request, signal }, this.#streams);
    } catch (error) {
      throw this.#describe(error, `${request.method} ${request.path}`, late.signal.aborted);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#closed.abort();
    this.#requests.destroy();
    this.#streams.destroy();
  }

  /** Asks once more where the socket was stale already, and with fresh credentials where ours had expired. */
  async #ask(request: KubeRequest, agent: Agent): Promise<IncomingMessage> {
    let response: IncomingMessage;
    try {
      response = await this.#send(request, agent);
    } catch (error) {
      if (!(error instanceof StaleSocket)) throw error;
      response = await this.#send(request, agent);
    }
    if (response.statusCode === 401) {
      response.resume();
      this.#kubeconfig.reload();
      response = await this.#send(request, agent);
    }
    if ((response.statusCode ?? 0) < 300) return response;
    const answer = await readAnswer(response, maxRefusalBytes);
    throw errorOf(readRefusal(answer, `${request.method} ${request.path}`, Date.now()));
  }

  async #send(request: KubeRequest, agent: Agent): Promise<IncomingMessage> {
    const access = await this.#access();
    const { method, body, signal } = request;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const outgoing = httpsRequest(
      {
        agent,
        ...access.options,
        method,
        ...targetOf(access.server, request),
        headers: { ...access.headers, ...headersOf(request) },
        signal: AbortSignal.any([this.#closed.signal, ...(signal === undefined ? [] : [signal])]),
      },
      resolve,
    );
    outgoing.on('error', (error) => {
      const isStale =
        outgoing.reusedSocket && method !== 'POST' && Reflect.get(error, 'code') === 'ECONNRESET';
      reject(isStale ? new StaleSocket(error.message, { cause: error }) : error);
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    return await promise;
  }

  async #access(): Promise<Access> {
    try {
      return await this.#kubeconfig.access();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new KubeError(
        `getting credentials for the API server: ${why.slice(0, 200)}`,
        { status: 0, reason: 'NoCredentials' },
        { cause: error },
      );
    }
  }

  /** A server that cannot be trusted any more may have a new CA in the kubeconfig: the next request reads it again. */
  #describe(error: unknown, what: string, isLate: boolean): KubeError {
    if (error instanceof KubeError) return error;
    this.#kubeconfig.reload();
    const why = error instanceof Error ? error.message : String(error);
    return new KubeError(
      `${what}: ${isLate ? 'no whole answer in time' : why}`,
      { status: 0, reason: 'NoAnswer' },
      { cause: error },
    );
  }
}

/** A kept socket that the server had closed already: nothing was read there. */
class StaleSocket extends Error {}

function targetOf(server: URL, { path, query = {} }: KubeRequest) {
  const search = new URLSearchParams(query).toString();
  return {
    host: server.hostname.replace(/^\[|\]$/g, ''),
    port: server.port === '' ? 443 : server.port,
    path: `${server.pathname.replace(/\/$/, '')}${path}${search === '' ? '' : `?${search}`}`,
  };
}

function headersOf({ body, contentType = 'application/json' }: KubeRequest) {
  return {
    Accept: 'application/json',
    'Accept-Encoding': 'identity',
    'User-Agent': 'homing',
    ...(body === undefined ? {} : { 'Content-Type': contentType }),
  };
}

function errorOf({ message, ...rest }: Refusal): KubeError {
  return new KubeError(message, rest);
}

async function readAnswer(response: IncomingMessage, maxBytes: number): Promise<Answer> {
  const { statusCode = 0, headers } = response;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  return {
    status: statusCode,
    contentType: headers['content-type'],
    retryAfter: headers['retry-after'],
    text,
  };
}
