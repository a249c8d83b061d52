/** Unknown fields of a value, by the schema, and what was probably meant. */
import { z } from 'zod';
import { quote } from '../../protocol/result.ts';
import { findNearest } from './nearest-name.ts';
import type { FieldPath } from './yaml-documents.ts';

export interface FieldProblem {
  readonly path: FieldPath;
  readonly message: string;
}

/** Every field that the schema does not know: in a file that is a mistake, and must not be passed over. */
export function findUnknownFields(
  schema: z.core.$ZodType,
  value: unknown,
  path: FieldPath = [],
): FieldProblem[] {
  const bare = unwrap(schema);
  if (bare instanceof z.ZodArray && Array.isArray(value)) {
    return value.flatMap((item, index) => findUnknownFields(bare.element, item, [...path, index]));
  }
  if (!(bare instanceof z.ZodObject) || !isPlainObject(value)) return [];
  const known = listFieldNames(bare);
  return Object.entries(value).flatMap(([name, inner]) => {
    const field: z.core.$ZodType | undefined = Object.hasOwn(bare.shape, name) ? bare.shape[name] : undefined;
    if (field === undefined) return [{ path: [...path, name], message: unknownField(name, known) }];
    return findUnknownFields(field, inner, [...path, name]);
  });
}

/** The schema inside of `optional`, `default` and the like. */
export function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  let bare = schema;
  while (
    bare instanceof z.ZodOptional ||
    bare instanceof z.ZodDefault ||
    bare instanceof z.ZodPrefault ||
    bare instanceof z.ZodNullable
  ) {
    bare = bare.unwrap();
  }
  return bare;
}

/** What the API server writes into metadata by itself; known, but nothing to advise. */
const serverWritten: ReadonlySet<string> = new Set([
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'managedFields',
  'ownerReferences',
  'finalizers',
]);

/** The fields of an object that a person may write. */
export function listFieldNames({ shape }: z.ZodObject): readonly string[] {
  return Object.keys(shape).filter((name) => !serverWritten.has(name));
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unknownField(name: string, known: readonly string[]): string {
  const nearest = findNearest(name, known);
  if (nearest !== undefined) return `unknown field: did you mean ${quote(nearest)}?`;
  return known.length === 0
    ? 'unknown field: there are none here'
    : `unknown field: known here are ${known.join(', ')}`;
}
