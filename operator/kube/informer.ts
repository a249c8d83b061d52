/** Keeps what the API server has of one kind, by list and watch, for ever. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { backOffMs } from './back-off.ts';
import { KubeError, type KubeConnection } from './connection.ts';
import { pathOf, type ResourceKind } from './kinds.ts';
import { ResourceStore, type ResourceChange } from './resource-store.ts';
import { followWatch } from './watch.ts';

export interface WatchOptions {
  readonly connection: KubeConnection;
  readonly kind: ResourceKind;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly onChange: (change: ResourceChange) => void;
  /** Each failure, before the next try. */
  readonly onError?: (error: Error) => void;
  /** Bookmarks come about each minute: a watch that is silent for so long hangs. 150 s unless given. */
  readonly idleMs?: number;
}

export interface Informer {
  list(): readonly object[];
  /** By `name` or `namespace/name`. */
  get(key: string): object | undefined;
  readonly isSynced: boolean;
  /** Objects without a name or a version, and events of a type that we do not know. */
  readonly dropped: number;
  close(): void;
}

/** Starts to list and watch. */
export function watchResources(options: WatchOptions): Informer {
  return new ResourceInformer(options);
}

const listBody = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string().min(1), continue: z.string().optional() }),
  items: z.array(z.looseObject({})).nullable(),
});
const pageSize = 500;
/** Our choice: soon after a restart of the API server, and no load for one that is down. */
const backOff = { firstMs: 500, maxMs: 30_000 };

class ResourceInformer implements Informer {
  readonly #options: WatchOptions;
  readonly #abort = new AbortController();
  readonly #store = new ResourceStore();
  /** What the next watch goes on from; undefined asks for a list. */
  #version: string | undefined;
  #failures = 0;
  isSynced = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    void this.#run();
  }

  list(): readonly object[] {
    return this.#store.list();
  }

  get(key: string): object | undefined {
    return this.#store.get(key);
  }

  get dropped(): number {
    return this.#store.dropped;
  }

  close(): void {
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        this.#version ??= await this.#list();
        await this.#watch(this.#version);
      } catch (error) {
        if (!this.#abort.signal.aborted) await this.#wait(this.#failed(error));
      }
    }
  }

  /** How long to wait. */
  #failed(error: unknown): number {
    const problem = error instanceof Error ? error : new Error(String(error));
    this.#failures += 1;
    const status = problem instanceof KubeError ? problem.status : 0;
    // Too old, or taken away with its CRD: only a list tells what is there now.
    if (status === 410 || status === 404) this.#version = undefined;
    this.#options.onError?.(problem);
    const wishedMs = problem instanceof KubeError ? problem.retryAfterMs : undefined;
    return backOffMs(this.#failures, Math.random(), backOff, wishedMs);
  }

  async #wait(waitMs: number): Promise<void> {
    try {
      await sleep(waitMs, undefined, { signal: this.#abort.signal });
    } catch {
      // Closed meanwhile: the loop sees it.
    }
  }

  /** Page by page, all at one version; a page that expired (410) begins anew by the way of failures. */
  async #list(): Promise<string> {
    const { apiVersion, kind } = this.#options.kind;
    const items: object[] = [];
    let version = '';
    let next: string | undefined = '';
    while (next !== undefined) {
      const query: Record<string, string> = { limit: String(pageSize) };
      if (next !== '') query['continue'] = next;
      const { body } = await this.#options.connection.request(this.#request(query));
      const page = listBody.safeParse(body);
      if (!page.success) {
        throw new KubeError(`listing ${this.#options.kind.plural}: the answer is no list`, {
          status: 0,
          reason: 'NotKubernetes',
        });
      }
      // Items of a list do not say what they are.
      for (const item of page.data.items ?? []) items.push({ apiVersion, kind, ...item });
      version = page.data.metadata.resourceVersion;
      const more: string | undefined = page.data.metadata.continue;
      next = more === '' ? undefined : more;
    }
    this.#abort.signal.throwIfAborted();
    const changes = this.#store.replace(items);
    this.isSynced = true;
    for (const change of changes) this.#tell(change);
    return version;
  }

  /** Until it ends. The next one goes on behind the last event, so nothing between is lost. */
  async #watch(from: string): Promise<void> {
    const { connection, idleMs = 150_000 } = this.#options;
    const startedMs = performance.now();
    let events = 0;
    const request = this.#request({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: from,
      timeoutSeconds: String(240 + Math.floor(Math.random() * 60)),
    });
    await followWatch({ connection, request, idleMs }, (event) => {
      events += 1;
      this.#failures = 0;
      if ('version' in event) this.#version = event.version;
      const change = this.#store.take(event);
      if (change !== undefined) this.#tell(change);
    });
    if (events === 0 && performance.now() - startedMs < 5000) {
      throw new KubeError(`watching ${this.#options.kind.plural}: it ended at once`, {
        status: 0,
        reason: 'NoAnswer',
      });
    }
  }

  /** A listener that throws is a fault of ours, told and not the end of the watch. */
  #tell(change: ResourceChange): void {
    if (this.#abort.signal.aborted) return;
    try {
      this.#options.onChange(change);
    } catch (error) {
      this.#options.onError?.(error instanceof Error ? error : new Error(String(error)));
    }
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
