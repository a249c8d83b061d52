/** Writes statuses as they were decided: the newest of each object, only where it differs, at most once a second each. */
import { z } from 'zod';
import type { StatusDecision } from './reconcile/pass.ts';
import { decideWrite, presentStatus, type Observed, type Written } from './reconcile/status-writes.ts';

export interface StatusWriterOptions {
  /** The object as the watch has it now; undefined where it is gone. */
  readonly observe: (kind: StatusDecision['kind'], key: string) => object | undefined;
  /** Server-side apply of the status; resolves with what the API server made of the object. */
  readonly apply: (decision: StatusDecision, signal: AbortSignal) => Promise<unknown>;
  /** What the status tells is told when it is written: once, whatever happens. */
  readonly onWritten: (decision: StatusDecision) => void;
}

/** Which object, as a key of the queue that calls `run`. */
export type WriteKey = `${StatusDecision['kind']} ${string}`;

export interface StatusWriter {
  /** What the object's status should be; the queue is to be given the key where this is true. */
  want(decision: StatusDecision): WriteKey | undefined;
  /** One attempt; for a work queue. */
  run(key: string, signal: AbortSignal): Promise<undefined | { readonly retryAfterMs: number }>;
  /** The object with what we wrote last, while the watch is behind. */
  overlay(kind: StatusDecision['kind'], object: object): object;
}

/** Makes it. */
export function createStatusWriter(options: StatusWriterOptions): StatusWriter {
  return new Writer(options);
}

class Writer implements StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #wanted = new Map<string, StatusDecision>();
  readonly #written = new Map<string, Written>();
  readonly #applying = new Set<string>();
  /** The same object again while nothing changes: who reads it can remember what was read. */
  readonly #overlays = new WeakMap<object, { readonly status: unknown; readonly object: object }>();

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  want(decision: StatusDecision): WriteKey | undefined {
    const key: WriteKey = `${decision.kind} ${decision.key}`;
    const object = this.#options.observe(decision.kind, decision.key);
    // Decided from what was there before this write: what is wanted after it is decided anew.
    if (object === undefined || this.#applying.has(key)) return undefined;
    // What was wanted before is so no more, even if it was not written yet.
    this.#wanted.set(key, decision);
    const next = decideWrite(decision.status, observedOf(object), this.#written.get(key), Date.now());
    return next.kind === 'same' ? undefined : key;
  }

  async run(key: string, signal: AbortSignal): Promise<undefined | { readonly retryAfterMs: number }> {
    const decision = this.#wanted.get(key);
    const object = decision && this.#options.observe(decision.kind, decision.key);
    if (decision === undefined || object === undefined) {
      this.#wanted.delete(key);
      this.#written.delete(key);
      return undefined;
    }
    const next = decideWrite(decision.status, observedOf(object), this.#written.get(key), Date.now());
    if (next.kind === 'same') return undefined;
    if (next.kind === 'later') return { retryAfterMs: next.afterMs };
    await this.#write(key, decision, signal);
    this.#options.onWritten(decision);
    return undefined;
  }

  async #write(key: string, decision: StatusDecision, signal: AbortSignal): Promise<void> {
    this.#applying.add(key);
    try {
      const answer = observedOf(await this.#options.apply(decision, signal));
      this.#written.set(key, { ...answer, atMs: Date.now() });
    } finally {
      this.#applying.delete(key);
    }
  }

  overlay(kind: StatusDecision['kind'], object: object): object {
    const { metadata } = named.parse(object);
    const name = metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
    const written = this.#written.get(`${kind} ${name}`);
    if (written === undefined) return object;
    const seen = observedOf(object);
    const status = presentStatus(seen, written);
    if (status === seen.status) return object;
    return this.#overlaid(object, status);
  }

  #overlaid(object: object, status: unknown): object {
    const before = this.#overlays.get(object);
    if (before !== undefined && before.status === status) return before.object;
    const overlaid = { ...object, status };
    this.#overlays.set(object, { status, object: overlaid });
    return overlaid;
  }
}

const named = z.object({ metadata: z.object({ name: z.string(), namespace: z.string().optional() }) });

const observed = z.object({
  metadata: z.object({ resourceVersion: z.string().default('') }),
  status: z.unknown().optional(),
});

function observedOf(object: unknown): Observed {
  const { metadata, status } = observed.parse(object);
  return { resourceVersion: metadata.resourceVersion, status };
}
