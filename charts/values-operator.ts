/** Values of the operator: the one process that talks to Kubernetes. */
import { z } from 'zod';
import { labels, objects, podValues, port, resources, text } from './values-fields.ts';

const service = z
  .strictObject({
    type: z
      .enum(['ClusterIP', 'NodePort', 'LoadBalancer'])
      .default('ClusterIP')
      .describe('NodePort or LoadBalancer where servers or cameras outside the cluster are to enrol.'),
    nodePort: z.int().min(0).max(65_535).default(0).describe('With NodePort; 0: any.'),
    loadBalancerClass: text().describe('With LoadBalancer.'),
    annotations: labels().describe('For load balancers.'),
  })
  .describe('Where agents reach it, at port 17330.');

const metrics = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Answer `/metrics`, and the probes with it.'),
    port: port(9317).describe('Its port in the pod.'),
  })
  .describe('Numbers for Prometheus.');

/** `operator:` in the values. */
export const operatorValues = z
  .strictObject({
    service,
    metrics,
    resources: resources({ cpu: '10m', memory: '96Mi' }, { memory: '256Mi' }),
    priorityClassName: text('system-cluster-critical').describe('Empty: none.'),
    tolerations: objects([
      { key: 'node-role.kubernetes.io/control-plane', operator: 'Exists', effect: 'NoSchedule' },
      { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 30 },
      {
        key: 'node.kubernetes.io/unreachable',
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: 30,
      },
    ]).describe(
      'A node that is gone for 30 s loses the operator to another; nothing that moves cameras waits for it.',
    ),
    ...podValues,
  })
  .describe('The operator: one replica, as only one may write.');
