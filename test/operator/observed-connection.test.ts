import { describe, expect, it } from 'vitest';
import { KubeError } from '../../operator/kube/connection.ts';
import { createOperatorMetrics } from '../../operator/metrics.ts';
import { observeConnection, resourceOf } from '../../operator/observed-connection.ts';

describe('the resource of a request', () => {
  it.each([
    ['/api/v1/nodes', 'nodes'],
    ['/api/v1/nodes/nuc', 'nodes'],
    ['/api/v1/namespaces/cams', 'namespaces'],
    ['/api/v1/namespaces/cams/secrets/door', 'secrets'],
    ['/apis/homing.dev/v1alpha1/homeservers/nuc/status', 'homeservers/status'],
    ['/apis/homing.dev/v1alpha1/namespaces/cams/cameraclients/door/status', 'cameraclients/status'],
    ['/apis/coordination.k8s.io/v1/namespaces/x/leases', 'leases'],
  ])('%s is %s: no name of an object becomes a label', (path, resource) => {
    expect(resourceOf(path)).toBe(resource);
  });
});

describe('requests', () => {
  it('are counted by verb, resource and code, refused and unanswered ones too', async () => {
    const metrics = createOperatorMetrics();
    let outcome: { status: number; body: unknown } | KubeError = { status: 200, body: {} };
    const connection = observeConnection(
      {
        request: async () => {
          if (outcome instanceof KubeError) throw outcome;
          return outcome;
        },
        stream: async () => {
          throw new KubeError('gone', { status: 410, reason: 'Expired' });
        },
        close: () => {},
      },
      metrics,
    );
    await connection.request({ method: 'PATCH', path: '/apis/homing.dev/v1alpha1/homeservers/nuc/status' });
    outcome = new KubeError('no answer', { status: 0, reason: 'NoAnswer' });
    await expect(connection.request({ method: 'GET', path: '/api/v1/nodes/nuc' })).rejects.toThrow(
      'no answer',
    );
    const watch = { method: 'GET', path: '/api/v1/nodes', query: { watch: 'true' } } as const;
    await expect(connection.stream(watch)).rejects.toThrow('gone');
    const text = await metrics.registry.getSingleMetricAsString('homing_operator_api_requests_total');
    expect(text).toContain('{verb="patch",resource="homeservers/status",code="200"} 1');
    expect(text).toContain('{verb="get",resource="nodes",code="0"} 1');
    expect(text).toContain('{verb="watch",resource="nodes",code="410"} 1');
  });
});
