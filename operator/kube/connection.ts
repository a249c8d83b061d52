/** The connection to a Kubernetes API server: requests over few sockets that stay open, with whatever credentials the kubeconfig says. */
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';
import { ConfigError } from '../../crds/config-error.ts';
import { quote } from '../../protocol/result.ts';

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `/api/v1/nodes` */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface KubeConnection {
  request(request: KubeRequest): Promise<{ readonly status: number; readonly body: unknown }>;
  /** The open answer, for watches. */
  stream(request: KubeRequest): Promise<IncomingMessage>;
  close(): void;
}

/** The API server's refusal, or 0 where it did not answer. */
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
export async function loadKubeConnection(kubeconfigPath?: string, context?: string): Promise<KubeConnection> {
  const config = new KubeConfig();
  try {
    if (kubeconfigPath === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfigPath);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConfigError(
      { file: kubeconfigPath ?? 'kubeconfig', message: `cannot be read: ${why}` },
      { cause: error },
    );
  }
  if (context !== undefined) {
    const names = config.getContexts().map(({ name }) => name);
    if (!names.includes(context)) {
      throw new ConfigError(`the kubeconfig has no context ${quote(context)}: there are ${names.join(', ')}`);
    }
    config.setCurrentContext(context);
  }
  const cluster = config.getCurrentCluster();
  // What client-node falls back to where it found nothing at all.
  if (cluster === null || cluster.server === 'http://localhost:8080') {
    throw new ConfigError('no cluster is configured: say --kubeconfig FILE, set KUBECONFIG, or run in a pod');
  }
  return new Connection(config, new URL(cluster.server));
}

class Connection implements KubeConnection {
  readonly #config: KubeConfig;
  readonly #server: URL;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });

  constructor(config: KubeConfig, server: URL) {
    this.#config = config;
    this.#server = server;
  }

  async request(request: KubeRequest): Promise<{ readonly status: number; readonly body: unknown }> {
    const response = await this.stream(request);
    const text = await readText(response);
    return { status: response.statusCode ?? 0, body: text === '' ? undefined : JSON.parse(text) };
  }

  async stream(request: KubeRequest): Promise<IncomingMessage> {
    const headers: OutgoingHttpHeaders = {};
    const options: RequestOptions = { headers };
    await this.#config.applyToHTTPSOptions(options);
    const { method, path, query = {}, body, contentType = 'application/json', signal, timeoutMs } = request;
    const search = new URLSearchParams(query).toString();
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const outgoing = httpsRequest(
      {
        ...options,
        agent: this.#agent,
        method,
        host: this.#server.hostname,
        port: this.#server.port === '' ? 443 : this.#server.port,
        path: `${this.#server.pathname.replace(/\/$/, '')}${path}${search === '' ? '' : `?${search}`}`,
        headers: { ...headers, Accept: 'application/json', 'Content-Type': contentType },
        ...(signal === undefined ? {} : { signal }),
      },
      resolve,
    );
    if (timeoutMs !== undefined)
      outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error('timed out')));
    outgoing.on('error', (error) =>
      reject(
        new KubeError(
          `${method} ${path}: ${error.message}`,
          { status: 0, reason: 'NoAnswer' },
          { cause: error },
        ),
      ),
    );
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    const response = await promise;
    if ((response.statusCode ?? 0) < 400) return response;
    throw await refusalOf(response, `${method} ${path}`);
  }

  close(): void {
    this.#agent.destroy();
  }
}

const statusBody = z.object({ message: z.string().optional(), reason: z.string().optional() });

async function refusalOf(response: IncomingMessage, what: string): Promise<KubeError> {
  const text = await readText(response);
  const status = response.statusCode ?? 0;
  let read: z.output<typeof statusBody> = {};
  try {
    read = statusBody.parse(JSON.parse(text));
  } catch {
    read = { message: text.slice(0, 200) };
  }
  const after = Number(response.headers['retry-after']);
  return new KubeError(`${what}: ${read.message ?? status}`, {
    status,
    reason: read.reason ?? 'Unknown',
    ...(Number.isFinite(after) ? { retryAfterMs: after * 1000 } : {}),
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
