/** Asks the API server about tokens: few at once, and never twice in a row about one that it has refused. */
import { createHash } from 'node:crypto';
import { agentName, tokenAudience } from '../../crds/cluster.ts';
import { type Result, bad, good } from '../../protocol/result.ts';
import type { KubeConnection } from '../kube/connection.ts';
import { daemonSets, pods } from '../kube/kinds.ts';
import { getObject } from '../kube/objects.ts';
import { glanceAtToken, judgePod, judgeReview } from './enrolment.ts';
import type { RefusalReason } from './refusals.ts';

/** Our choice: a review and two reads take some ten milliseconds together. */
const maxAtOnce = 4;
/** A home's nodes after a power cut, and more. */
const maxWaiting = 256;
/** A refused token may be good later only where its pod was not there yet. */
const refusedForMs = 5000;
const maxRefused = 1024;
const timeoutMs = 10_000;

/** Whose token it is: the name of the node of a live pod of our DaemonSet. */
export class TokenReviews {
  readonly #connection: KubeConnection;
  readonly #namespace: string;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  /** By hash: tokens themselves are kept nowhere. */
  readonly #refused = new Map<
    string,
    { readonly reason: RefusalReason; readonly detail: string; readonly untilMs: number }
  >();

  constructor(connection: KubeConnection, namespace: string) {
    this.#connection = connection;
    this.#namespace = namespace;
  }

  /** Rejects where the API server does not answer. */
  async nodeOf(token: string): Promise<Result<string, RefusalReason>> {
    const glance = glanceAtToken(token, this.#namespace);
    if (!glance.ok) return glance;
    const hash = createHash('sha256').update(token).digest('hex');
    const known = this.#refused.get(hash);
    if (known !== undefined && known.untilMs > performance.now()) return bad(known.reason, known.detail);
    if (this.#waiting.length >= maxWaiting) return bad('TooMany', 'too many enrolments wait already');
    await this.#turn();
    try {
      return this.#remember(hash, await this.#ask(token));
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    if (this.#running >= maxAtOnce) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      await promise;
    }
    this.#running += 1;
  }

  async #ask(token: string): Promise<Result<string, RefusalReason>> {
    const { body } = await this.#connection.request({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/tokenreviews',
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences: [tokenAudience] },
      },
      timeoutMs,
    });
    const bound = judgeReview(body, this.#namespace);
    if (!bound.ok) return bound;
    const [pod, daemonSet] = await Promise.all([
      getObject(this.#connection, { kind: pods, name: bound.value.name, namespace: this.#namespace }),
      getObject(this.#connection, { kind: daemonSets, name: agentName, namespace: this.#namespace }),
    ]);
    const node = judgePod({ pod, daemonSet }, bound.value);
    return node.ok ? good(node.value) : node;
  }

  #remember(hash: string, verdict: Result<string, RefusalReason>): Result<string, RefusalReason> {
    this.#refused.delete(hash);
    if (verdict.ok) return verdict;
    const { reason, detail } = verdict;
    const [oldest] = this.#refused.keys();
    if (this.#refused.size >= maxRefused && oldest !== undefined) this.#refused.delete(oldest);
    this.#refused.set(hash, { reason, detail, untilMs: performance.now() + refusedForMs });
    return verdict;
  }
}
