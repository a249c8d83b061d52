/** The values as their files show them, out of their JSON schema. Pure. */
import { Document, isMap, stringify } from 'yaml';
import type { z } from 'zod';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** What a person may set: a leaf, or an object with fields of its own. */
interface Value {
  readonly path: readonly string[];
  readonly description: string;
  /** Undefined for an object with fields. */
  readonly byDefault: unknown;
  readonly isGroup: boolean;
}

/** JSON as Helm checks it. */
export function renderSchema(schema: JsonSchema): string {
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

/** YAML with each description above its value. */
export function renderValues(schema: JsonSchema): string {
  const document = new Document({});
  document.commentBefore =
    ' Written by `npm run chart` out of charts/values.ts. Checked by values.schema.json.';
  for (const { path, description, byDefault, isGroup } of valuesOf(schema)) {
    const node = document.createNode(isGroup ? {} : byDefault);
    const parent = document.getIn(path.slice(0, -1), true);
    if (!isMap(parent)) throw new Error(`${path.join('.')}: has no parent`);
    const key = document.createNode(path.at(-1) ?? '');
    key.commentBefore = ` ${description}`;
    key.spaceBefore = path.length === 1 && parent.items.length > 0;
    parent.add(document.createPair(key, node));
  }
  return document.toString({ lineWidth: 0, singleQuote: true });
}

/** A Markdown table of every value. */
export function renderTable(schema: JsonSchema): string {
  const rows = valuesOf(schema)
    .filter(({ isGroup }) => !isGroup)
    .map(({ path, description, byDefault }) => {
      return `| \`${path.join('.')}\` | \`${inline(byDefault)}\` | ${description.replaceAll('|', '\\|')} |\n`;
    });
  return `| value | default | what it does |\n| --- | --- | --- |\n${rows.join('')}`;
}

function inline(value: unknown): string {
  if (value === '') return '""';
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim();
}

function valuesOf(schema: JsonSchema, parents: readonly string[] = []): readonly Value[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    if (typeof field === 'boolean') return [];
    const path = [...parents, name];
    const { description, default: byDefault } = field;
    if (description === undefined) throw new Error(`${path.join('.')}: has no description`);
    const isGroup = field.properties !== undefined && Object.keys(field.properties).length > 0;
    return [{ path, description, byDefault, isGroup }, ...(isGroup ? valuesOf(field, path) : [])];
  });
}
