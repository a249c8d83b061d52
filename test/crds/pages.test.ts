import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { parseResources } from '../../agent/control/resource-files.ts';
import { cameraClient } from '../../crds/camera-client.ts';
import { formatProblem } from '../../crds/config-error.ts';
import { homeServer } from '../../crds/home-server.ts';
import { trustBundle } from '../../crds/trust-bundle.ts';
import {
  cameraClientReasons,
  homeServerReasons,
  type ReasonNote,
} from '../../operator/reconcile/condition-reasons.ts';
import { trustBundleReasons } from '../../operator/reconcile/trust-reasons.ts';
import { expectSection } from '../support/document-section.ts';

type JsonSchema = z.core.JSONSchema.BaseSchema;
type Reasons = Readonly<Record<string, Readonly<Record<string, ReasonNote>>>>;

const kinds: readonly (readonly [string, z.ZodType, Reasons])[] = [
  ['HomeServer', homeServer, homeServerReasons],
  ['CameraClient', cameraClient, cameraClientReasons],
  ['TrustBundle', trustBundle, trustBundleReasons],
];

describe.each(kinds)('the page of %s', (kind, schema, reasons) => {
  const file = `docs/resources/${kind.toLowerCase()}.md`;
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const fieldsOf = (name: string) => fieldRows(asSchema(properties[name]), `${name}.`);

  it('lists every field of its spec', () => {
    expect(fieldsOf('spec').length).toBeGreaterThan(5);
    expectSection(file, 'spec', table(['field', 'type', 'default', 'what it says'], fieldsOf('spec')));
  });

  it('lists every field of its status', () => {
    const rows = fieldsOf('status').map(([field = '', type = '', , says = '']) => [field, type, says]);
    expectSection(file, 'status', table(['field', 'type', 'what it says'], rows));
  });

  it('lists its conditions with their reasons', () => {
    const rows = Object.entries(reasons).flatMap(([type, notes]) =>
      Object.entries(notes).map(([reason, { status, means }]) => [
        `\`${type}\``,
        status,
        `\`${reason}\``,
        means,
      ]),
    );
    expectSection(file, 'conditions', table(['condition', 'status', 'reason', 'what it means'], rows));
  });

  it('shows an example that is taken', () => {
    const page = readFileSync(path.join(import.meta.dirname, '../..', file), 'utf8');
    const [, example = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? [];
    expect(parseAllDocuments(example).length).toBeGreaterThan(0);
    expect(example).toContain(`kind: ${kind}`);
    expect(parseResources(file, example).problems.map(formatProblem)).toEqual([]);
  });
});

/** A row for each field, those of objects and items below their own. */
function fieldRows(schema: JsonSchema, prefix: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const field = asSchema(inner);
    const isRequired = schema.required?.includes(name) === true;
    const items = asSchema(field.items);
    const row = [
      `\`${prefix}${name}\``,
      describeType(field),
      isRequired ? 'required' : describeDefault(field.default),
      field.description ?? '',
    ];
    expect(row[3], `${prefix}${name} has a sentence`).not.toBe('');
    // What every condition looks like is Kubernetes' own.
    if (name === 'conditions') return [row];
    const below = items.properties === undefined ? fieldRows(field, `${prefix}${name}.`) : [];
    return [row, ...below, ...fieldRows(items, `${prefix}${name}[].`)];
  });
}

function describeType(schema: JsonSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(' or ');
  const { type, minimum, maximum, maxItems } = schema;
  if (type === 'array') {
    const bound = maxItems === undefined ? '' : `, at most ${maxItems}`;
    return `list of ${describeType(asSchema(schema.items))}${bound}`;
  }
  if (type === 'integer') {
    const isBounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
    return isBounded ? `whole number, ${minimum} to ${maximum}` : 'whole number';
  }
  return schema.format === 'date-time' ? 'time' : String(type);
}

function describeDefault(value: unknown): string {
  const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  return value === undefined || isEmpty ? '' : `\`${JSON.stringify(value)}\``;
}

/** The first of several, and nothing of what is no schema of fields. */
function asSchema(value: JsonSchema['items']): JsonSchema {
  const schema = Array.isArray(value) ? value[0] : value;
  return typeof schema === 'object' ? schema : {};
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return [...lines, ''].join('\n');
}
