/** The two kinds of Kubernetes' own that resource files may hold: v1 Secret and ConfigMap. */
import { z } from 'zod';
import { namespacedMetadata } from '../../crds/metadata.ts';

const keyPattern = /^[-._a-zA-Z0-9]{1,253}$/;
const key = z.string().regex(keyPattern, { error: 'must be a key of 1 to 253 characters [-._a-zA-Z0-9]' });
/** Kubernetes' own limit of a whole object. */
const maxValueCharacters = 1024 * 1024;
const text = z.string().max(maxValueCharacters);
const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const base64 = text.refine((value) => base64Pattern.test(value.replaceAll(/\s/g, '')), {
  error: 'must be base64 (plain text goes under stringData)',
});

/** A Secret; only text values are of use here. `stringData` goes over `data`, as in the API server. */
export const secret = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Secret'),
  metadata: namespacedMetadata,
  type: z.string().max(253).optional(),
  immutable: z.boolean().optional(),
  data: z.record(key, base64).optional(),
  stringData: z.record(key, text).optional(),
});

export const configMap = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('ConfigMap'),
  metadata: namespacedMetadata,
  immutable: z.boolean().optional(),
  data: z.record(key, text).optional(),
  binaryData: z.record(key, base64).optional(),
});

export type Secret = z.output<typeof secret>;
export type ConfigMap = z.output<typeof configMap>;

/** The text under a key, or undefined where it is not there. */
export function readKey(source: Secret | ConfigMap, name: string): string | undefined {
  const plain = source.kind === 'Secret' ? source.stringData : source.data;
  const encoded = source.kind === 'Secret' ? source.data : source.binaryData;
  if (plain !== undefined && Object.hasOwn(plain, name)) return plain[name];
  if (encoded === undefined || !Object.hasOwn(encoded, name)) return undefined;
  return Buffer.from(encoded[name] ?? '', 'base64').toString('utf8');
}

/** The keys that are there. */
export function listKeys(source: Secret | ConfigMap): readonly string[] {
  const more = source.kind === 'Secret' ? source.stringData : source.binaryData;
  return [...new Set([...Object.keys(source.data ?? {}), ...Object.keys(more ?? {})])];
}
