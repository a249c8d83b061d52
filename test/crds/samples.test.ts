import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { parseResources } from '../../agent/control/resource-files.ts';
import { formatProblem } from '../../crds/config-error.ts';
import { makeDefinitions } from '../../crds/definitions.ts';

const folder = path.join(import.meta.dirname, '../../examples/samples');
const samples = readdirSync(folder).map(
  (name) => [name, readFileSync(path.join(folder, name), 'utf8')] as const,
);

interface FieldSchema {
  readonly properties?: Readonly<Record<string, FieldSchema>> | undefined;
  readonly items?: FieldSchema | undefined;
}

const fieldSchema: z.ZodType<FieldSchema> = z.lazy(() =>
  z.object({ properties: z.record(z.string(), fieldSchema).optional(), items: fieldSchema.optional() }),
);
const definitionShape = z.object({
  spec: z.object({
    names: z.object({ kind: z.string() }),
    versions: z.array(
      z.object({
        schema: z.object({ openAPIV3Schema: z.object({ properties: z.object({ spec: fieldSchema }) }) }),
      }),
    ),
  }),
});

describe('samples', () => {
  it.each(samples)('%s is taken by who reads files', (name, text) => {
    expect(parseResources(name, text).problems.map(formatProblem)).toEqual([]);
  });

  it('use every field that a spec has', () => {
    const used = new Set(
      samples.flatMap(([, text]) =>
        parseAllDocuments(text).flatMap((document) => {
          const { kind, spec } = document.toJS();
          return fieldsOf(spec).map((field) => `${kind}.${field}`);
        }),
      ),
    );
    const declared = makeDefinitions().flatMap((definition) => {
      const { spec } = definitionShape.parse(definition);
      const [version] = spec.versions;
      const fields = declaredFields(version?.schema.openAPIV3Schema.properties.spec ?? {});
      return fields.map((field) => `${spec.names.kind}.${field}`);
    });
    expect(declared.length).toBeGreaterThan(40);
    expect(declared.filter((field) => !used.has(field))).toEqual([]);
  });
});

/** Paths of the fields of a value; those of items as of their list. */
function fieldsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(fieldsOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    name,
    ...fieldsOf(inner).map((field) => `${name}.${field}`),
  ]);
}

/** Paths of the fields of a schema, in the same way. */
function declaredFields(schema: FieldSchema): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
    name,
    ...declaredFields(field.items ?? field).map((inner) => `${name}.${inner}`),
  ]);
}
