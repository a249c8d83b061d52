/** Resources as values that know where they stand, so that a later mistake can still be named by file and line. */
import type { z } from 'zod';
import { cameraClient, type CameraClient } from '../../crds/camera-client.ts';
import { homeServer, type HomeServer } from '../../crds/home-server.ts';
import { homingApiVersion } from '../../crds/metadata.ts';
import { trustBundle, type TrustBundle } from '../../crds/trust-bundle.ts';
import { quote } from '../../protocol/result.ts';
import type { ConfigProblem } from '../../crds/config-error.ts';
import { configMap, secret, type ConfigMap, type Secret } from './kubernetes-kinds.ts';
import { isPlainObject, type FieldProblem } from './field-names.ts';
import { checkFields, type Checked } from './field-values.ts';
import { findNearest } from './nearest-name.ts';
import type { FieldPath, YamlDocument } from './yaml-documents.ts';

export type Resource = HomeServer | CameraClient | TrustBundle | Secret | ConfigMap;

/** A resource and its place. */
export interface Loaded<R extends Resource = Resource> {
  readonly resource: R;
  readonly file: string;
  readonly document: Pick<YamlDocument, 'line' | 'lineOf'>;
}

/** All that one agent is configured by. */
export interface Resources {
  readonly homeServers: readonly Loaded<HomeServer>[];
  readonly cameraClients: readonly Loaded<CameraClient>[];
  readonly trustBundles: readonly Loaded<TrustBundle>[];
  readonly secrets: readonly Loaded<Secret>[];
  readonly configMaps: readonly Loaded<ConfigMap>[];
}

/** Status is the operator's to write; in a file (`kubectl get -o yaml`) it says nothing and is not looked at. */
const schemas = {
  HomeServer: homeServer.omit({ status: true }),
  CameraClient: cameraClient.omit({ status: true }),
  TrustBundle: trustBundle.omit({ status: true }),
  Secret: secret,
  ConfigMap: configMap,
} satisfies Record<Resource['kind'], z.ZodType>;

const apiVersions: Readonly<Record<Resource['kind'], string>> = {
  HomeServer: homingApiVersion,
  CameraClient: homingApiVersion,
  TrustBundle: homingApiVersion,
  Secret: 'v1',
  ConfigMap: 'v1',
};
const kinds: readonly string[] = Object.keys(schemas);

/** One document's value as a resource: every problem of it at once, by field. */
export function readResource(value: unknown): Checked<Resource> {
  if (!isPlainObject(value)) {
    return refuse([], 'must be a resource: an object with apiVersion, kind, metadata');
  }
  const { status: _, ...desired } = value;
  const { kind, apiVersion } = value;
  if (!isKind(kind)) return refuse(['kind'], describeKind(kind));
  const expected = apiVersions[kind];
  if (apiVersion !== expected) {
    const found = typeof apiVersion === 'string' ? `found ${quote(apiVersion)}` : 'missing';
    return refuse(['apiVersion'], `${found}: must be ${expected} for a ${kind}`);
  }
  return checkFields(schemas[kind], desired, { isSecret: kind === 'Secret' });
}

/** `kind namespace/name`, by which there is one of each. */
export function keyOf({ kind, metadata }: Resource): string {
  return `${kind} ${nameOf(metadata)}`;
}

/** A problem at a field of a resource. */
export function problemAt(loaded: Loaded, path: FieldPath, message: string): ConfigProblem {
  const { file, document } = loaded;
  return { file, line: document.lineOf(path), ...fieldOf(path), message };
}

/** `{ field: 'spec.sinks[1].name' }`; nothing for the whole document. */
export function fieldOf(path: FieldPath): { readonly field?: string } {
  if (path.length === 0) return {};
  const field = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${showName(String(part))}`));
  return { field: field.join('').replace(/^\./, '') };
}

/** Sorts resources by kind. */
export function groupResources(loaded: readonly Loaded[]): Resources {
  return {
    homeServers: loaded.filter((each): each is Loaded<HomeServer> => each.resource.kind === 'HomeServer'),
    cameraClients: loaded.filter(
      (each): each is Loaded<CameraClient> => each.resource.kind === 'CameraClient',
    ),
    trustBundles: loaded.filter((each): each is Loaded<TrustBundle> => each.resource.kind === 'TrustBundle'),
    secrets: loaded.filter((each): each is Loaded<Secret> => each.resource.kind === 'Secret'),
    configMaps: loaded.filter((each): each is Loaded<ConfigMap> => each.resource.kind === 'ConfigMap'),
  };
}

function nameOf(metadata: Resource['metadata']): string {
  return 'namespace' in metadata ? `${metadata.namespace}/${metadata.name}` : metadata.name;
}

function isKind(kind: unknown): kind is Resource['kind'] {
  return typeof kind === 'string' && Object.hasOwn(schemas, kind);
}

function describeKind(kind: unknown): string {
  if (typeof kind !== 'string') return `missing: must be one of ${kinds.join(', ')}`;
  const nearest = findNearest(kind, kinds);
  const right = nearest === undefined ? `must be one of ${kinds.join(', ')}` : `did you mean ${nearest}?`;
  return `found ${quote(kind)}: ${right}`;
}

function refuse(
  path: FieldPath,
  message: string,
): { readonly ok: false; readonly problems: readonly FieldProblem[] } {
  return { ok: false, problems: [{ path, message }] };
}

function showName(name: string): string {
  return /^[\w./-]{1,64}$/.test(name) ? name : quote(name);
}
