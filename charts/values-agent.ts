/** Values of the agents: one on each node, in the host network. */
import { z } from 'zod';
import { hostPath, objects, podValues, port, resources, text } from './values-fields.ts';

const state = z
  .strictObject({
    hostPath: hostPath('/var/lib/homing/state').describe(
      'Folder on the node: key, certificate, settings and trust. Its own for each installation.',
    ),
  })
  .describe('What an agent remembers over a restart, and works from while the operator is away.');

const recordings = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Give agents a disk to record on.'),
    hostPath: hostPath('/var/lib/homing/recordings').describe('Folder on the node; mount your disk there.'),
  })
  .describe('Recordings.');

const media = z
  .strictObject({
    hostPath: z
      .string()
      .regex(/^(\/[^/]+)*$/)
      .default('')
      .describe('Folder on the node; empty: none.'),
  })
  .describe('Files that cameras with a file source play.');

const metrics = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Answer `/metrics`, and the probes with it.'),
    port: port(9318).describe('Its port on the node.'),
    host: z
      .enum(['', 'loopback', 'node'])
      .default('')
      .describe(
        'Who can ask: `loopback` the node itself, `node` whoever reaches the node; names of cameras are in there. Empty: `node` with podMonitor.enabled, else `loopback`.',
      ),
  })
  .describe('Numbers for Prometheus.');

/** `agent:` in the values. */
export const agentValues = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('Run agents on nodes; without, all servers are outside the cluster.'),
    state,
    recordings,
    media,
    metrics,
    credentialsSize: text('4Mi').describe('Memory for the cameras’ passwords, which are on no disk.'),
    dnsPolicy: z
      .enum(['Default', 'ClusterFirstWithHostNet'])
      .default('Default')
      .describe(
        "Who resolves cameras' names: with Default the node does, whether the cluster's DNS runs or not.",
      ),
    resources: resources({ cpu: '50m', memory: '128Mi' }, { memory: '1Gi' }),
    priorityClassName: text('system-node-critical').describe('Empty: none.'),
    tolerations: objects([{ operator: 'Exists' }]).describe('By default every node that the selector takes.'),
    maxUnavailable: z
      .union([z.int().min(1), z.string().regex(/^\d{1,3}%$/)])
      .default(1)
      .describe('Agents renewed at a time. More than one may take a camera both its server and the next.'),
    minReadySeconds: z
      .int()
      .min(0)
      .max(3600)
      .default(15)
      .describe('How long a renewed one must do well before the next.'),
    terminationGracePeriodSeconds: z
      .int()
      .min(1)
      .max(3600)
      .default(60)
      .describe('What sending the cameras elsewhere may take; it ends as soon as they are gone.'),
    ...podValues,
  })
  .describe('Agents, one on each node.');
