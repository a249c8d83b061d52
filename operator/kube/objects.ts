/** Single objects: get, create, replace, delete, server-side apply with our one field manager, Events. */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { fieldManager, operatorName } from '../../crds/cluster.ts';
import { KubeError, type KubeConnection } from './connection.ts';
import { pathOf, type ResourceKind } from './kinds.ts';

const timeoutMs = 15_000;

/** Where an object is. */
export interface ObjectPlace {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly namespace?: string | undefined;
}

/** An object; undefined where it is not there. */
export async function getObject(
  connection: KubeConnection,
  place: ObjectPlace,
  signal?: AbortSignal,
): Promise<unknown> {
  try {
    const { body } = await connection.request({
      method: 'GET',
      path: pathOf(place.kind, place),
      timeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
    return body;
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return undefined;
    throw error;
  }
}

const described = z.looseObject({
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});

/** Server-side apply of a whole object, or with `subresource` of its status. */
export async function applyObject(
  connection: KubeConnection,
  kind: ResourceKind,
  object: object,
  { subresource, signal }: { readonly subresource?: 'status'; readonly signal?: AbortSignal } = {},
): Promise<unknown> {
  const { metadata } = described.parse(object);
  const path = pathOf(kind, metadata) + (subresource === undefined ? '' : `/${subresource}`);
  const { body } = await connection.request({
    method: 'PATCH',
    path,
    query: { fieldManager, force: 'true' },
    body: { apiVersion: kind.apiVersion, kind: kind.kind, ...object },
    contentType: 'application/apply-patch+yaml',
    timeoutMs,
    ...(signal === undefined ? {} : { signal }),
  });
  return body;
}

/** Creates an object; false where one of that name is there. */
export async function createObject(
  connection: KubeConnection,
  kind: ResourceKind,
  object: object,
): Promise<boolean> {
  const { metadata } = described.parse(object);
  try {
    await connection.request({
      method: 'POST',
      path: pathOf(kind, { namespace: metadata.namespace }),
      query: { fieldManager },
      body: object,
      timeoutMs,
    });
    return true;
  } catch (error) {
    if (error instanceof KubeError && error.status === 409) return false;
    throw error;
  }
}

/** What an Event is about, and what it says. */
export interface EventInput {
  readonly regarding: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
  };
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly action: string;
  readonly note: string;
  readonly reportingInstance: string;
}

/** Writes one Event (events.k8s.io/v1). Of cluster-scoped objects it is in `default`, as kubectl describe expects. */
export async function recordEvent(connection: KubeConnection, input: EventInput): Promise<void> {
  const namespace = input.regarding.namespace ?? 'default';
  const { regarding, note, ...rest } = input;
  await connection.request({
    method: 'POST',
    path: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`,
    body: {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: `${regarding.name}.${randomBytes(8).toString('hex')}`, namespace },
      eventTime: new Date().toISOString().replace(/\.(\d{3})Z$/, '.$1000Z'),
      reportingController: `homing.dev/${operatorName}`,
      regarding,
      note: note.slice(0, 1024),
      ...rest,
    },
    timeoutMs,
  });
}
