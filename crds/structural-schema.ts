/**
 * A zod schema as the structural schema of a CustomResourceDefinition: what of JSON Schema the API server takes, with formats.
 *
 * Defaults are kept only where a value of one line stands outside lists. Within a list, GitOps tools that compare lists whole
 * show them as drift; a default that is a list stays when the resource names its own items later, as server-side apply merges
 * lists and nobody owns what was defaulted. Whoever reads a resource parses it by the zod schema, which has all defaults.
 */
import { z } from 'zod';

type Schema = Record<string, unknown>;

/** The schema of a whole resource; of its metadata only the name is bounded. */
export function structuralSchema(schema: z.ZodType): Schema {
  const whole: unknown = z.toJSONSchema(schema, {
    io: 'input',
    target: 'openapi-3.0',
    unrepresentable: 'any',
  });
  const { properties, ...rest } = asSchema(tidy(whole, false));
  const { apiVersion: _a, kind: _k, metadata, ...own } = asSchema(properties);
  const { name } = asSchema(asSchema(metadata)['properties']);
  return {
    ...rest,
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object', properties: { name } },
      ...own,
    },
  };
}

const dropped: ReadonlySet<string> = new Set(['$schema', 'propertyNames', 'id']);

/** With formats, and without what the API server refuses. No field of ours may be called `default` or `id`. */
function tidy(value: unknown, isInList: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => tidy(item, isInList));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key, child]) => isTaken(key, child, isInList));
  const kept: Schema = Object.fromEntries(
    entries.map(([key, child]) => [key, tidy(child, isInList || key === 'items')]),
  );
  if (kept['format'] === 'date-time') delete kept['pattern'];
  return kept['type'] === 'integer' ? withIntegerFormat(kept) : kept;
}

function isTaken(key: string, value: unknown, isInList: boolean): boolean {
  if (key === 'default') return !isInList && typeof value !== 'object';
  // What the API server leaves out again would be drift for GitOps tools.
  if (key === 'properties' && isEmpty(value)) return false;
  // The API server prunes what it does not know, and takes no `additionalProperties: false` beside properties.
  return !dropped.has(key) && !(key === 'additionalProperties' && value === false);
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

const maxInt32 = 2_147_483_647;

function withIntegerFormat(schema: Schema): Schema {
  const { minimum, maximum, ...rest } = schema;
  const isBounded = typeof maximum === 'number' && maximum <= maxInt32;
  return {
    ...rest,
    format: isBounded ? 'int32' : 'int64',
    ...(typeof minimum === 'number' && minimum > Number.MIN_SAFE_INTEGER ? { minimum } : {}),
    ...(typeof maximum === 'number' && maximum < Number.MAX_SAFE_INTEGER ? { maximum } : {}),
  };
}

function asSchema(value: unknown): Schema {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
