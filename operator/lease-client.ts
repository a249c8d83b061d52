/** The Lease, pods and nodes as the API server has them, for taking the Lease. */
import { leaseName } from '../crds/cluster.ts';
import { KubeError, type KubeConnection } from './kube/connection.ts';
import type { LeaseOptions } from './lease-holding.ts';

const timeoutMs = 10_000;

/** What `takeLease` asks and writes. */
export function leaseOptions(
  connection: KubeConnection,
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

/** Replaces just that one: who was faster wins. */
function withVersion(lease: object, before: unknown): object {
  const old: unknown =
    typeof before === 'object' && before !== null ? Reflect.get(before, 'metadata') : undefined;
  const version: unknown =
    typeof old === 'object' && old !== null ? Reflect.get(old, 'resourceVersion') : undefined;
  const metadata: unknown = Reflect.get(lease, 'metadata');
  return {
    ...lease,
    metadata: { ...(typeof metadata === 'object' ? metadata : {}), resourceVersion: version },
  };
}
