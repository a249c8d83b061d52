import { describe, expect, it } from 'vitest';
import { leaseOptions } from '../../operator/lease-client.ts';
import { holdsLease, takeLease } from '../../operator/lease-holding.ts';

const pods = '/api/v1/namespaces/homing-system/pods';
const leasePath = '/apis/coordination.k8s.io/v1/namespaces/homing-system/leases/homing-operator';

/** An API server with a Lease, pods and nodes. */
function cluster(objects: Record<string, object>) {
  const writes: object[] = [];
  const waits: string[] = [];
  const abort = new AbortController();
  const options = (identity: string) => ({
    identity,
    namespace: 'homing-system',
    get: async (path: string): Promise<unknown> => objects[path],
    put: async (lease: object) => {
      writes.push(lease);
      objects[leasePath] = lease;
    },
    onWait: (why: string) => {
      waits.push(why);
      abort.abort();
    },
    signal: abort.signal,
  });
  return { objects, writes, waits, options };
}

const pod = (phase: string) => ({ spec: { nodeName: 'nuc' }, status: { phase } });
const node = (status: string) => ({
  metadata: { name: 'nuc', uid: 'u' },
  status: { conditions: [{ type: 'Ready', status }] },
});

describe('the Lease of operators', () => {
  it('is written once by who takes it, and not again by the same after a restart', async () => {
    const { options, writes } = cluster({});
    await takeLease(options('pod-a'));
    await takeLease(options('pod-a'));
    expect(writes).toHaveLength(1);
    expect(await holdsLease(options('pod-a'))).toBe(true);
    expect(await holdsLease(options('pod-b'))).toBe(false);
  });

  it('is waited for while its holder runs', async () => {
    const home = cluster({ [`${pods}/pod-a`]: pod('Running'), '/api/v1/nodes/nuc': node('True') });
    await takeLease(home.options('pod-a'));
    await expect(takeLease(home.options('pod-b'))).rejects.toThrow('aborted');
    expect(home.waits).toEqual(['the pod pod-a runs']);
    expect(home.writes).toHaveLength(1);
  });

  it.each([
    ['whose pod is gone', {}],
    ['whose pod has ended', { [`${pods}/pod-a`]: pod('Succeeded') }],
    ['whose node is not ready', { [`${pods}/pod-a`]: pod('Running'), '/api/v1/nodes/nuc': node('Unknown') }],
    ['whose node is gone', { [`${pods}/pod-a`]: pod('Running') }],
  ])('is taken over from a holder %s', async (_, objects) => {
    const home = cluster({ ...objects });
    await takeLease(home.options('pod-a'));
    await takeLease(home.options('pod-b'));
    expect(home.waits).toEqual([]);
    expect(home.writes).toMatchObject([{}, { spec: { holderIdentity: 'pod-b', leaseTransitions: 1 } }]);
  });

  it('is not known to be lost where the API server does not answer', async () => {
    const { options } = cluster({});
    const silent = {
      ...options('pod-a'),
      get: async () => {
        throw new Error('connection refused');
      },
    };
    expect(await holdsLease(silent)).toBeUndefined();
  });

  it('keeps the labels and annotations that it had, by which helm knows it', async () => {
    const requests: unknown[] = [];
    const connection = {
      request: async (request: unknown) => {
        requests.push(request);
        return { status: 200, body: {} };
      },
    };
    const metadata = { labels: { 'app.kubernetes.io/managed-by': 'Helm' }, resourceVersion: '7' };
    const lease = { metadata: { name: 'homing-operator' }, spec: { holderIdentity: 'pod-a' } };
    await leaseOptions(connection, 'homing-system').put(lease, { metadata, spec: {} });
    const body = { metadata: { name: 'homing-operator', ...metadata }, spec: lease.spec };
    expect(requests).toMatchObject([{ method: 'PUT', body }]);
  });
});
