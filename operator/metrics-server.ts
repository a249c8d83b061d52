/** Where Prometheus and the kubelet ask: `/metrics`, `/healthz`, `/readyz`. Plain HTTP, nothing in it is secret. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

export interface MetricsServerOptions {
  /** Absent: every address of the machine. */
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  readonly registry: Pick<Registry, 'contentType' | 'metrics'>;
  /** Why it is not ready; undefined when it is. */
  readonly notReady: () => string | undefined;
}

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

const requestTimeoutMs = 5000;
const maxConnections = 64;

/** Listens; rejects where the address is taken. */
export async function openMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const server = createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
    void answer(options, request, response);
  });
  server.maxConnections = maxConnections;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  const { host, port } = options;
  server.listen(host === undefined ? { port } : { host, port }, resolve);
  await promise;
  const address = server.address();
  return {
    port: isNetworkAddress(address) ? address.port : 0,
    close: async () => {
      server.closeAllConnections();
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
}

async function answer(
  { registry, notReady }: MetricsServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path] = (request.url ?? '').split('?');
  if (path === '/metrics') {
    response.setHeader('Content-Type', registry.contentType);
    response.end(await registry.metrics());
    return;
  }
  const problem = path === '/readyz' ? notReady() : path === '/healthz' ? undefined : 'not found';
  response.statusCode = problem === undefined ? 200 : problem === 'not found' ? 404 : 503;
  response.end(`${problem ?? 'ok'}\n`);
}

function isNetworkAddress(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}
