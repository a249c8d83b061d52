/** Keeps what the API server has of one kind, by list and watch, for ever. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { KubeError, type KubeConnection } from './connection.ts';
import { pathOf, type ResourceKind } from './kinds.ts';

export interface WatchOptions {
  readonly connection: KubeConnection;
  readonly kind: ResourceKind;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly onChange: (key: string) => void;
  readonly onError?: (error: Error) => void;
}

export interface Informer {
  list(): readonly object[];
  /** By `name` or `namespace/name`. */
  get(key: string): object | undefined;
  readonly isSynced: boolean;
  close(): void;
}

/** Starts to list and watch. */
export function watchResources(options: WatchOptions): Informer {
  return new ResourceInformer(options);
}

const listBody = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string() }),
  items: z.array(z.looseObject({})).nullable(),
});
const named = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    resourceVersion: z.string(),
  }),
});
const watchEvent = z.object({ type: z.string(), object: z.looseObject({}) });

class ResourceInformer implements Informer {
  readonly #options: WatchOptions;
  readonly #abort = new AbortController();
  #objects = new Map<string, object>();
  isSynced = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    void this.#run();
  }

  list(): readonly object[] {
    return [...this.#objects.values()];
  }

  get(key: string): object | undefined {
    return this.#objects.get(key);
  }

  close(): void {
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        await this.#watch(await this.#list());
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        this.#options.onError?.(error instanceof Error ? error : new Error(String(error)));
        await sleep(500 + Math.random() * 1500, undefined, { signal: this.#abort.signal }).catch(
          () => undefined,
        );
      }
    }
  }

  async #list(): Promise<string> {
    const { body } = await this.#options.connection.request({ ...this.#request({}), timeoutMs: 30_000 });
    const { metadata, items } = listBody.parse(body);
    const { apiVersion, kind } = this.#options.kind;
    const before = this.#objects;
    this.#objects = new Map((items ?? []).map((item) => [keyOf(item), { apiVersion, kind, ...item }]));
    this.isSynced = true;
    for (const key of new Set([...before.keys(), ...this.#objects.keys()])) this.#options.onChange(key);
    if (this.#objects.size === 0) this.#options.onChange('');
    return metadata.resourceVersion;
  }

  /** Until it ends; from where it ended. */
  async #watch(from: string): Promise<void> {
    let version = from;
    while (!this.#abort.signal.aborted) {
      const stream = await this.#options.connection.stream(
        this.#request({
          watch: 'true',
          allowWatchBookmarks: 'true',
          resourceVersion: version,
          timeoutSeconds: '290',
        }),
      );
      let rest = '';
      stream.setEncoding('utf8');
      for await (const chunk of stream) {
        const lines = `${rest}${String(chunk)}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) version = this.#take(line) ?? version;
      }
    }
  }

  #take(line: string): string | undefined {
    if (line === '') return undefined;
    const { type, object } = watchEvent.parse(JSON.parse(line));
    if (type === 'ERROR') throw new KubeError('watch', { status: 410, reason: 'Expired' });
    const { resourceVersion } = z
      .looseObject({ metadata: z.looseObject({ resourceVersion: z.string() }) })
      .parse(object).metadata;
    if (type === 'BOOKMARK') return resourceVersion;
    const key = keyOf(object);
    if (type === 'DELETED') this.#objects.delete(key);
    else this.#objects.set(key, object);
    this.#options.onChange(key);
    return resourceVersion;
  }

  #request(more: Readonly<Record<string, string>>) {
    const { kind, namespace, labelSelector, fieldSelector } = this.#options;
    return {
      method: 'GET' as const,
      path: pathOf(kind, { namespace }),
      query: {
        ...more,
        ...(labelSelector === undefined ? {} : { labelSelector }),
        ...(fieldSelector === undefined ? {} : { fieldSelector }),
      },
      signal: this.#abort.signal,
    };
  }
}

function keyOf(object: unknown): string {
  const { name, namespace } = named.parse(object).metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}
