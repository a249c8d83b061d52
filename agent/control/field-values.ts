/** Wrong values, by the schema: what was found, and what would be right, in words. */
import { z } from 'zod';
import { quote } from '../../protocol/result.ts';
import {
  findUnknownFields,
  isPlainObject,
  listFieldNames,
  unwrap,
  type FieldProblem,
} from './field-names.ts';
import type { FieldPath } from './yaml-documents.ts';

export interface CheckOptions {
  /** Never say a value: the resource is a Secret. */
  readonly isSecret: boolean;
}

export type Checked<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly problems: readonly FieldProblem[] };

/** Parses a value by its schema: every problem at once, unknown fields among them. */
export function checkFields<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  options: CheckOptions,
): Checked<z.output<Schema>> {
  const parsed = schema.safeParse(value);
  const unknown = findUnknownFields(schema, value);
  const issues = parsed.success ? [] : withoutEchoes(parsed.error.issues);
  const wrong = issues.map((issue) => describeIssue(issue, { schema, value, ...options }));
  if (parsed.success && unknown.length === 0) return { ok: true, value: parsed.data };
  return { ok: false, problems: [...unknown, ...wrong] };
}

interface Context extends CheckOptions {
  readonly schema: z.core.$ZodType;
  readonly value: unknown;
}

type Issue = z.core.$ZodIssue;

function describeIssue(issue: Issue, context: Context): FieldProblem {
  const { path } = issue;
  if (issue.code === 'invalid_key') {
    const [inner] = issue.issues;
    return {
      path,
      message: `found ${quote(String(path.at(-1)))}: ${inner?.message ?? 'must be another name'}`,
    };
  }
  const right = describeRight(issue, context.schema);
  const value = valueAt(context.value, path);
  if (value === undefined) return { path, message: `missing: ${right}` };
  // A text where an object belongs may well be a password in the wrong place.
  const mayQuote = !context.isSecret && !(issue.code === 'invalid_type' && isStructure(issue.expected));
  return { path, message: `found ${describeValue(value, mayQuote)}: ${right}` };
}

function describeRight(issue: Issue, schema: z.core.$ZodType): string {
  if (hasOwnSentence(issue)) return issue.message;
  if (issue.code === 'too_big' && issue.origin === 'array')
    return `must be a list of at most ${issue.maximum}`;
  return `must be ${describeSchema(schemaAt(schema, issue.path))}`;
}

/** A pattern's sentence names the length too; a length beside it says nothing new. */
function withoutEchoes(issues: readonly Issue[]): readonly Issue[] {
  const told = new Set(issues.filter(hasOwnSentence).map(({ path }) => JSON.stringify(path.map(String))));
  return issues.filter((issue) => hasOwnSentence(issue) || !told.has(JSON.stringify(issue.path.map(String))));
}

function hasOwnSentence(issue: Issue): boolean {
  return issue.code === 'custom' || issue.code === 'invalid_format';
}

function isStructure(expected: string): boolean {
  return expected === 'object' || expected === 'array' || expected === 'record';
}

const shownTextCharacters = 40;

function describeValue(value: unknown, mayQuote: boolean): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (isPlainObject(value)) return describeNames(Object.keys(value));
  if (!mayQuote) return `a ${typeof value === 'string' ? 'text' : typeof value}`;
  return typeof value === 'string' ? describeShownText(value) : JSON.stringify(value);
}

function describeShownText(text: string): string {
  // It may hold a URL with a password, or a key in PEM.
  if (text.includes('@') || text.includes('\n')) return 'a text';
  return text.length > shownTextCharacters ? `a text of ${text.length} characters` : quote(text);
}

function describeNames(names: readonly string[]): string {
  return names.length === 0 ? 'no fields' : `fields ${names.slice(0, 8).map(shortened).join(', ')}`;
}

function shortened(name: string): string {
  return /^[\w.-]{1,40}$/.test(name) ? name : quote(name.slice(0, shownTextCharacters));
}

function describeSchema(schema: z.core.$ZodType | undefined): string {
  if (schema === undefined) return 'another value';
  const bare = unwrap(schema);
  if (bare instanceof z.ZodString) return describeText(bare);
  if (bare instanceof z.ZodNumber) return `a whole number from ${bare.minValue} to ${bare.maxValue}`;
  if (bare instanceof z.ZodBoolean) return 'true or false';
  if (bare instanceof z.ZodEnum) return `one of ${bare.options.join(', ')}`;
  if (bare instanceof z.ZodLiteral) return [...bare.values].join(' or ');
  if (bare instanceof z.ZodArray) return 'a list';
  if (bare instanceof z.ZodObject) return describeObject(bare);
  return bare instanceof z.ZodRecord ? 'an object (name: value)' : 'another value';
}

function describeText({ minLength, maxLength }: z.ZodString): string {
  if (maxLength === null) return 'a text';
  return `a text of ${minLength === null ? 'at most' : `${minLength} to`} ${maxLength} characters`;
}

function describeObject(schema: z.ZodObject): string {
  const names = listFieldNames(schema);
  return names.length === 0 ? '{}' : `an object (${names.join(', ')})`;
}

function schemaAt(schema: z.core.$ZodType, path: FieldPath): z.core.$ZodType | undefined {
  let at: z.core.$ZodType | undefined = unwrap(schema);
  for (const part of path) {
    at = at === undefined ? undefined : schemaInside(unwrap(at), part);
  }
  return at;
}

function schemaInside(schema: z.core.$ZodType, part: PropertyKey): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodArray) return schema.element;
  if (schema instanceof z.ZodRecord) return schema.valueType;
  return schema instanceof z.ZodObject ? schema.shape[String(part)] : undefined;
}

function valueAt(value: unknown, path: FieldPath): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = Reflect.get(at, part);
  }
  return at;
}
