/** Values that several parts of the chart share. */
import { z } from 'zod';

/** A text with a default. */
export function text(byDefault = '') {
  return z.string().default(byDefault);
}

/** An object of Kubernetes', passed on as it is. */
export function object() {
  return z.record(z.string(), z.unknown());
}

/** A list of such. */
export function objects(byDefault: readonly Readonly<Record<string, unknown>>[] = []) {
  return z.array(object()).default([...byDefault]);
}

/** Labels or annotations. */
export function labels(byDefault: Readonly<Record<string, string>> = {}) {
  return z.record(z.string(), z.string()).default({ ...byDefault });
}

/** `cpu`, `memory` and whatever else a node has: as Kubernetes writes quantities. */
const quantities = z.record(z.string(), z.union([z.string(), z.number()]));

/** Requests and limits. */
export function resources(requests: Record<string, string>, limits: Record<string, string>) {
  return z
    .strictObject({
      requests: quantities.default(requests).describe('What a node must have left.'),
      limits: quantities.default(limits).describe('Never of cpu: a throttled agent delays acknowledgements.'),
    })
    .describe('Requests and limits.');
}

/** Where an image comes from; `digest` pins it, whatever the tag says. */
export const image = z
  .strictObject({
    repository: text('localhost/homing').describe(
      'Without the tag. The default is what `npm run image` calls it: no registry answers to that name.',
    ),
    tag: text().describe("Default: the chart's appVersion."),
    digest: z
      .string()
      .regex(/^(sha256:[a-f0-9]{64})?$/)
      .default('')
      .describe('`sha256:…`: exactly this image.'),
    pullPolicy: z
      .enum(['IfNotPresent', 'Always', 'Never'])
      .default('IfNotPresent')
      .describe('As Kubernetes has it.'),
  })
  .describe('The one image, of operator and agents.');

/** What operator and agents both let be said of their pods. */
export const podValues = {
  podLabels: labels().describe('Further labels of the pod.'),
  podAnnotations: labels().describe('Further annotations of the pod.'),
  nodeSelector: labels({ 'kubernetes.io/os': 'linux' }).describe('Nodes it may run on.'),
  affinity: object().default({}).describe('As Kubernetes has it.'),
  extraArgs: z.array(z.string()).default([]).describe('Further arguments of the command.'),
  extraEnv: objects().describe('Further environment, as `[{name: TZ, value: Europe/Berlin}]`.'),
  extraVolumes: objects().describe('Further volumes.'),
  extraVolumeMounts: objects().describe('Where they are mounted.'),
};

/** A port of this machine or pod. */
export function port(byDefault: number) {
  return z.int().min(1).max(65_535).default(byDefault);
}

/** A folder on the node. */
export function hostPath(byDefault: string) {
  return z
    .string()
    .regex(/^(\/[^/]+)+$/)
    .default(byDefault);
}
