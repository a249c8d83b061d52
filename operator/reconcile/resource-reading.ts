/** Resources of ours and nodes, out of what the API server gives: values, or a sentence on what is wrong. Pure. */
import { z } from 'zod';
import { cameraClient, type CameraClient } from '../../crds/camera-client.ts';
import { homeServer, type HomeServer } from '../../crds/home-server.ts';
import { conditions as conditionList } from '../../crds/metadata.ts';
import type { ClusterNode, InvalidResource } from './world.ts';

/** Reads a HomeServer; a status that this version cannot read counts as none. */
export function readHomeServer(raw: unknown): HomeServer | InvalidResource {
  const { status, ...rest } = parts.parse(raw);
  const read = homeServer.safeParse({ ...rest, status });
  if (read.success) return read.data;
  const bare = homeServer.safeParse(rest);
  return bare.success ? bare.data : describeInvalid('HomeServer', rest, bare.error, status);
}

/** Reads a CameraClient likewise. */
export function readCameraClient(raw: unknown): CameraClient | InvalidResource {
  const { status, ...rest } = parts.parse(raw);
  const read = cameraClient.safeParse({ ...rest, status });
  if (read.success) return read.data;
  const bare = cameraClient.safeParse(rest);
  return bare.success ? bare.data : describeInvalid('CameraClient', rest, bare.error, status);
}

/** Whether a resource could not be read. */
export function isInvalid(read: HomeServer | CameraClient | InvalidResource): read is InvalidResource {
  return 'message' in read;
}

/** What concerns us of a v1 Node. */
export function readNode(raw: unknown): ClusterNode | undefined {
  const read = node.safeParse(raw);
  if (!read.success) return undefined;
  const { metadata, spec, status } = read.data;
  return {
    name: metadata.name,
    uid: metadata.uid,
    isReady:
      status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true,
    isUnschedulable: spec?.unschedulable === true,
  };
}

const parts = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    generation: z.number().optional(),
  }),
  status: z.unknown().optional(),
});

const node = z.object({
  metadata: z.object({ name: z.string(), uid: z.string().default('') }),
  spec: z.object({ unschedulable: z.boolean().optional() }).optional(),
  status: z
    .object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).optional() })
    .optional(),
});

const withConditions = z.object({ conditions: conditionList });

function describeInvalid(
  kind: InvalidResource['kind'],
  { metadata }: Pick<z.output<typeof parts>, 'metadata'>,
  { issues }: z.ZodError,
  status: unknown,
): InvalidResource {
  const { name, namespace, generation } = metadata;
  const problems = issues.slice(0, 5).map(({ path, message }) => `${path.join('.')}: ${message}`);
  return {
    kind,
    name: namespace === undefined ? name : `${namespace}/${name}`,
    generation,
    conditions: withConditions.safeParse(status).data?.conditions ?? [],
    message: `${problems.join('; ')}. Correct it, or update CRDs and operator together.`,
  };
}
