/** What every resource has: `apiVersion`, `metadata`, `status.conditions`. */
import { z } from 'zod';
import { withListType } from './rules.ts';
import { label, subdomain } from './fields.ts';

/** Group and version of our kinds. */
export const homingApiVersion = 'homing.dev/v1alpha1';

/** Of a resource without a namespace. What the API server adds by itself is let through. */
function metadata<Name extends z.ZodString>(name: Name) {
  return z.object({
    name,
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
    uid: z.string().optional(),
    resourceVersion: z.string().optional(),
    generation: z.int().optional(),
    creationTimestamp: z.string().nullish(),
    managedFields: z.array(z.unknown()).optional(),
    ownerReferences: z.array(z.unknown()).optional(),
    finalizers: z.array(z.string()).optional(),
  });
}

/** Metadata of a HomeServer: its name is the server's name, as its certificate says it. */
export const serverMetadata = metadata(label);
/** Metadata of a CameraClient: `namespace/name` is what the client's certificate says. */
export const clientMetadata = metadata(label).extend({ namespace: label.default('default') });
/** Metadata of other resources without a namespace. */
export const clusterMetadata = metadata(subdomain);
/** Metadata of other resources in a namespace. */
export const namespacedMetadata = metadata(subdomain).extend({ namespace: label.default('default') });

/** RFC 3339, as the API server has it. */
export const dateTime = z.iso.datetime({ offset: true });

/** What readers of a status (kstatus, `kubectl wait`) compare with `metadata.generation`. */
export const observedGeneration = z
  .int()
  .describe('The generation of the resource that this status is about.');

/** @see Kubernetes API conventions, metav1.Condition */
export const conditions = withListType(
  z
    .array(
      z.object({
        type: z.string().max(316).describe('What is said to be so.'),
        status: z.enum(['True', 'False', 'Unknown']).describe('Whether it is so.'),
        reason: z.string().max(1024).describe('Why, as one word out of a documented list.'),
        message: z.string().max(32_768).describe('Why, and what to do first, for people.'),
        lastTransitionTime: dateTime.describe('When the status last changed.'),
        observedGeneration: observedGeneration.optional(),
      }),
    )
    .max(16),
  'map',
  ['type'],
);

/** Condition of a resource, shown by `kubectl get` and waited for by `kubectl wait`. */
export type Condition = z.output<typeof conditions>[number];
