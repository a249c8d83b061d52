/** The CustomResourceDefinitions, out of the schemas that files are read by. */
import { z } from 'zod';
import { cameraClient } from './camera-client.ts';
import { homeServer } from './home-server.ts';
import { trustBundle } from './trust-bundle.ts';

interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly jsonPath: string;
  /** Shown with `-o wide` only. */
  readonly isWide?: boolean;
}

interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly isNamespaced: boolean;
  readonly schema: z.ZodType;
  readonly columns: readonly Column[];
}

const ready = (field: 'status' | 'reason') => `.status.conditions[?(@.type=='Ready')].${field}`;
const age: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

const kinds: readonly Kind[] = [
  {
    kind: 'HomeServer',
    plural: 'homeservers',
    shortNames: ['hs'],
    isNamespaced: false,
    schema: homeServer,
    columns: [
      { name: 'Ready', type: 'string', jsonPath: ready('status') },
      { name: 'Clients', type: 'integer', jsonPath: '.status.clients' },
      { name: 'Max', type: 'integer', jsonPath: '.status.max' },
      { name: 'Level', type: 'integer', jsonPath: '.status.level' },
      { name: 'Rank', type: 'integer', jsonPath: '.status.rank' },
      { name: 'Heard', type: 'string', jsonPath: '.status.heardBy' },
      { name: 'Why', type: 'string', jsonPath: '.status.selection.reason' },
      { name: 'Address', type: 'string', jsonPath: '.status.address', isWide: true },
      { name: 'Reason', type: 'string', jsonPath: ready('reason'), isWide: true },
      { name: 'Version', type: 'string', jsonPath: '.status.agent.version', isWide: true },
      { name: 'Cert', type: 'date', jsonPath: '.status.certificate.notAfter', isWide: true },
      age,
    ],
  },
  {
    kind: 'CameraClient',
    plural: 'cameraclients',
    shortNames: ['cam'],
    isNamespaced: true,
    schema: cameraClient,
    columns: [
      { name: 'Ready', type: 'string', jsonPath: ready('status') },
      { name: 'Server', type: 'string', jsonPath: '.status.server' },
      { name: 'Why', type: 'string', jsonPath: '.status.selection.reason' },
      { name: 'Moved', type: 'date', jsonPath: '.status.lastHandover.time' },
      { name: 'Lost', type: 'integer', jsonPath: '.status.framesLost' },
      { name: 'Bridge', type: 'string', jsonPath: '.status.bridge', isWide: true },
      { name: 'Media', type: 'string', jsonPath: '.status.media', isWide: true },
      { name: 'Reason', type: 'string', jsonPath: ready('reason'), isWide: true },
      age,
    ],
  },
  {
    kind: 'TrustBundle',
    plural: 'trustbundles',
    shortNames: ['trust'],
    isNamespaced: false,
    schema: trustBundle,
    columns: [
      { name: 'Ready', type: 'string', jsonPath: ready('status') },
      { name: 'Anchors', type: 'integer', jsonPath: '.status.anchorCount' },
      { name: 'Synced', type: 'string', jsonPath: '.status.synced' },
      { name: 'Reason', type: 'string', jsonPath: ready('reason'), isWide: true },
      age,
    ],
  },
];

type Schema = Record<string, unknown>;

/** All three, as objects of apiextensions.k8s.io/v1. */
export function makeDefinitions(): readonly Schema[] {
  return kinds.map(makeDefinition);
}

function makeDefinition({ kind, plural, shortNames, isNamespaced, schema, columns }: Kind): Schema {
  const version = {
    name: 'v1alpha1',
    served: true,
    storage: true,
    subresources: { status: {} },
    additionalPrinterColumns: columns.map(({ isWide, ...column }) => ({
      ...column,
      ...(isWide === true ? { priority: 1 } : {}),
    })),
    schema: { openAPIV3Schema: structuralSchema(schema) },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.homing.dev` },
    spec: {
      group: 'homing.dev',
      scope: isNamespaced ? 'Namespaced' : 'Cluster',
      names: { kind, plural, singular: kind.toLowerCase(), shortNames, categories: ['homing'] },
      versions: [version],
    },
  };
}

/** @see Kubernetes: structural schemas, which leave out much of JSON Schema */
function structuralSchema(schema: z.ZodType): Schema {
  const whole: unknown = z.toJSONSchema(schema, {
    io: 'input',
    target: 'openapi-3.0',
    unrepresentable: 'any',
  });
  const { properties, ...rest } = asSchema(tidy(whole));
  const { apiVersion: _a, kind: _k, metadata: _m, ...own } = asSchema(properties);
  const string = { type: 'string' };
  return {
    ...rest,
    required: ['spec'],
    properties: { apiVersion: string, kind: string, metadata: { type: 'object' }, ...own },
  };
}

const dropped: ReadonlySet<string> = new Set(['$schema', 'propertyNames', 'id']);

function tidy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key, child]) => !dropped.has(key) && !isClosed(key, child));
  const kept: Schema = Object.fromEntries(entries.map(([key, child]) => [key, tidy(child)]));
  if (kept['format'] === 'date-time') delete kept['pattern'];
  if (kept['type'] === 'integer') return withIntegerFormat(kept);
  return kept;
}

/** The API server prunes what it does not know; it takes no `additionalProperties: false` beside properties. */
function isClosed(key: string, value: unknown): boolean {
  return key === 'additionalProperties' && value === false;
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
