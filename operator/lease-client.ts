/** The Lease, pods and nodes as the API server has them, for taking the Lease. */
import { leaseName } from '../crds/cluster.ts';
import { KubeError, type KubeConnection } from './kube/connection.ts';
import type { LeaseOptions } from './lease-holding.ts';

const timeoutMs = 10_000;

/** What `takeLease` asks and writes. */
export function leaseOptions(
  connection: Pick<KubeConnection, 'request'>,
  namespace: string,
): Pick<LeaseOptions, 'namespace' | 'get' | 'put'> {
  const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  return {
    namespace,
    get: async (path) => {
      try {
        return (await connection.request({ method: 'GET', path, timeoutMs })).body;
      } catch (error) {
        if (error instanceof KubeError && error.status === 404) return undefined;
        throw error;
      }
    },
    put: async (lease, before) => {
      if (before === undefined) {
        await connection.request({ method: 'POST', path: leases, body: lease, timeoutMs });
        return;
      }
      const body = withVersion(lease, before);
      await connection.request({ method: 'PUT', path: `${leases}/${leaseName}`, body, timeoutMs });
    },
  };
}

/**
 * Replaces just that one: who was faster wins. Its labels and annotations stay: helm removes only what they say is its own.
 */
function withVersion(lease: object, before: unknown): object {
  return { ...lease, metadata: { ...metadataOf(lease), ...metadataOf(before) } };
}

function metadataOf(object: unknown): object {
  const metadata: unknown =
    typeof object === 'object' && object !== null ? Reflect.get(object, 'metadata') : undefined;
  return typeof metadata === 'object' && metadata !== null ? metadata : {};
}
