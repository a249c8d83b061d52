/** Rules across fields: what holds here in TypeScript stands beside the same in CEL, for the API server. */
import type { z } from 'zod';

/** One rule: data for the CRD, and the same check for files. */
export interface Rule<Value> {
  /** CEL over `self`, as `x-kubernetes-validations` takes it. */
  readonly rule: string;
  /** What would be right; the same sentence from the API server and for a file. */
  readonly message: string;
  /** The rule in TypeScript. Absent where a file has no `oldSelf`, or where the schema itself says it. */
  readonly holds?: (value: Value) => boolean;
}

type ListType = 'atomic' | 'set' | 'map';

/**
 * The schema with rules: checked on parsing, and kept in its metadata, from where `z.toJSONSchema` copies them into a CRD.
 *
 * Rules are checked even where a field inside is wrong (every error at once), so `holds` sees fields of any type.
 */
export function withRules<Schema extends z.ZodType>(
  schema: Schema,
  rules: readonly Rule<z.output<Schema>>[],
): Schema {
  let checked = schema;
  for (const { holds, message } of rules) {
    if (holds === undefined) continue;
    checked = checked.refine(holds, { error: message, when: ({ value }) => isRuled(value) });
  }
  return checked.meta({
    ...schema.meta(),
    'x-kubernetes-validations': rules.map(({ rule, message }) => ({ rule, message })),
  });
}

/** The list with its Kubernetes list type: how server-side apply merges it. `mapKeys` only with `map`. */
export function withListType<Schema extends z.ZodType>(
  schema: Schema,
  type: ListType,
  mapKeys: readonly string[] = [],
): Schema {
  const keys = type === 'map' ? { 'x-kubernetes-list-map-keys': mapKeys } : {};
  return schema.meta({ ...schema.meta(), 'x-kubernetes-list-type': type, ...keys });
}

/** CEL for "matches", by a pattern that JavaScript and RE2 read in the same way. */
export function matches(pattern: RegExp): string {
  const flags = pattern.ignoreCase ? '(?i)' : '';
  return `self.matches(r'${flags}${pattern.source}')`;
}

/** The rule that exactly one of `fields` is there. */
export function exactlyOneOf(fields: readonly string[]): Rule<object> {
  const all = fields.map((field) => `has(self.${field})`).join(', ');
  return {
    rule: `[${all}].exists_one(x, x)`,
    message: `exactly one of ${fields.join(', ')}`,
    holds: (value) => fields.filter((field) => has(value, field)).length === 1,
  };
}

/** The rule that no two items of a list have one `name`. The API server checks it by the list type `map` too. */
export function ownNames(item: string): Rule<readonly { readonly name: string }[]> {
  return {
    rule: 'self.all(x, self.exists_one(y, x.name == y.name))',
    message: `must give each ${item} its own name`,
    holds: (list) => new Set(list.map((each) => (has(each, 'name') ? each.name : each))).size === list.length,
  };
}

/** CEL's `has(value.field)`; false for what is no object (a rule sees fields of wrong types too). */
export function has(value: unknown, field: string): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, field) && Reflect.get(value, field) !== undefined;
}

/** The rule of a field that never changes after creation; only the API server can check it. */
export function fixedAtCreation(field: string, byPresence = false): Rule<object> {
  const presence = `has(self.${field}) == has(oldSelf.${field})`;
  const value = ` && (!has(self.${field}) || self.${field} == oldSelf.${field})`;
  return { rule: presence + (byPresence ? '' : value), message: `${field} is fixed at creation` };
}

function isRuled(value: unknown): boolean {
  return typeof value === 'string' || (typeof value === 'object' && value !== null);
}
