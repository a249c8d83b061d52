/** A connection whose requests are counted, by verb, resource and code. */
import { KubeError, type KubeConnection, type KubeRequest } from './kube/connection.ts';
import type { OperatorMetrics } from './metrics.ts';

/** The same connection, counted. */
export function observeConnection(
  connection: KubeConnection,
  { apiRequests }: Pick<OperatorMetrics, 'apiRequests'>,
): KubeConnection {
  const counted = async <Answer>(
    request: KubeRequest,
    ask: Promise<Answer>,
    codeOf: (answer: Answer) => number,
  ) => {
    const labels = { verb: verbOf(request), resource: resourceOf(request.path) };
    try {
      const answer = await ask;
      apiRequests.inc({ ...labels, code: String(codeOf(answer)) });
      return answer;
    } catch (error) {
      apiRequests.inc({ ...labels, code: String(error instanceof KubeError ? error.status : 0) });
      throw error;
    }
  };
  return {
    request: (request) => counted(request, connection.request(request), ({ status }) => status),
    stream: (request) => counted(request, connection.stream(request), ({ statusCode }) => statusCode ?? 0),
    close: () => connection.close(),
  };
}

const verbs = { GET: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' } as const;

function verbOf({ method, query }: KubeRequest): string {
  return query?.['watch'] === 'true' ? 'watch' : verbs[method];
}

/** `/apis/homing.dev/v1alpha1/homeservers/nuc/status` is `homeservers/status`: names would be labels without bound. */
export function resourceOf(path: string): string {
  const parts = path.split('/').filter((part) => part !== '');
  const rest = parts.slice(parts[0] === 'api' ? 2 : 3);
  const [resource = '', , subresource] = rest[0] === 'namespaces' && rest.length > 2 ? rest.slice(2) : rest;
  return subresource === undefined ? resource : `${resource}/${subresource}`;
}
