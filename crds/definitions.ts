/** The CustomResourceDefinitions, out of the schemas that files are read by. */
import { stringify } from 'yaml';
import type { z } from 'zod';
import { cameraClient } from './camera-client.ts';
import { homeServer } from './home-server.ts';
import { structuralSchema } from './structural-schema.ts';
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
      // As text: kubectl shows a date as the time since, and one to come as <invalid>.
      { name: 'Cert', type: 'string', jsonPath: '.status.certificate.notAfter', isWide: true },
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

type Schema = Readonly<Record<string, unknown>>;

/** All three, as objects of apiextensions.k8s.io/v1. */
export function makeDefinitions(): readonly Schema[] {
  return kinds.map(makeDefinition);
}

/** All three as YAML, by file name: `homeservers.yaml`. */
export function renderDefinitions(): ReadonlyMap<string, string> {
  return new Map(
    kinds.map((kind) => {
      const text = stringify(makeDefinition(kind), { aliasDuplicateObjects: false, lineWidth: 0 });
      return [`${kind.plural}.yaml`, `# Written by \`npm run crds\` out of crds/*.ts.\n${text}`];
    }),
  );
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
