/** The operator: the one process that talks to Kubernetes. Composes connection, Lease, CA, watches, decisions and agents. */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemNamespace } from '../crds/cluster.ts';
import type { AgentMessage, TrustTexts } from '../crds/operator-messages.ts';
import type { KeyedCertificate } from '../protocol/issuing.ts';
import { parseTrust, type TrustSet } from '../protocol/trust.ts';
import type { Identity } from '../tls/identity.ts';
import { Agents } from './agents.ts';
import { watchCluster, type ClusterWatches } from './cluster-watches.ts';
import { createEnrolments, type Enrolments } from './enrolments.ts';
import { HomeKeeper } from './home-keeper.ts';
import { openAuthority } from './issue/authority.ts';
import { makeOperatorIdentity } from './issue/operator-identity.ts';
import { loadKubeConnection, type KubeConnection } from './kube/connection.ts';
import { leaseOptions } from './lease-client.ts';
import { holdsLease, takeLease, type LeaseOptions } from './lease-holding.ts';
import { createOperatorMetrics } from './metrics.ts';
import { openMetricsServer, type MetricsServer } from './metrics-server.ts';
import { observeConnection } from './observed-connection.ts';
import type { EmitOperatorEvent } from './operator-events.ts';
import { openAgentListener, type AgentListener, type AgentSession } from './stream/listener.ts';

export interface OperatorOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  /** @defaultValue `homing-system` */
  readonly namespace?: string;
  readonly listen: { readonly host?: string; readonly port: number };
  readonly metrics?: { readonly host?: string; readonly port: number };
  /** Who holds the Lease: the pod's name. @defaultValue host name and process */
  readonly identity?: string;
  readonly version: string;
}

export interface RunningOperator {
  /** Where agents call. */
  readonly port: number;
  /** 0 without `metrics`. */
  readonly metricsPort: number;
  /** Resolves with a reason when another operator has taken the Lease. */
  readonly lost: Promise<string>;
  stop(reason: string): Promise<void>;
}

/**
 * Starts the operator; resolves when it holds the Lease, has seen every resource and listens to agents.
 *
 * @throws ConfigError where no cluster is configured
 */
export async function runOperator(
  options: OperatorOptions,
  emit: EmitOperatorEvent,
  signal: AbortSignal = new AbortController().signal,
): Promise<RunningOperator> {
  const operator = new Operator(options, emit);
  signal.addEventListener('abort', () => void operator.close(), { once: true });
  try {
    await operator.open();
    return operator;
  } catch (error) {
    await operator.close();
    throw error;
  }
}

/** A read; nothing is ever renewed. Our choice. */
const checkLeaseMs = 15_000;

class Operator implements RunningOperator {
  readonly #options: OperatorOptions;
  readonly #emit: EmitOperatorEvent;
  readonly #parts = new AsyncDisposableStack();
  readonly #abort = new AbortController();
  readonly #metrics = createOperatorMetrics();
  readonly #agents = new Agents(Date.now());
  #server: MetricsServer | undefined;
  #listener: AgentListener | undefined;
  #keeper: HomeKeeper | undefined;
  #notReady: string | undefined = 'starting';
  #closing: Promise<void> | undefined;
  readonly #lost = Promise.withResolvers<string>();

  constructor(options: OperatorOptions, emit: EmitOperatorEvent) {
    this.#options = options;
    this.#emit = emit;
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  get metricsPort(): number {
    return this.#server?.port ?? 0;
  }

  get lost(): Promise<string> {
    return this.#lost.promise;
  }

  async open(): Promise<void> {
    const { kubeconfig, context, namespace = systemNamespace } = this.#options;
    const plain = await loadKubeConnection(kubeconfig, context);
    const connection = observeConnection(plain, this.#metrics);
    this.#parts.defer(() => connection.close());
    await this.#openMetrics();
    await this.#takeLease(connection, namespace);
    const authority = await this.#insist('CA', () => openAuthority(connection, namespace, Date.now()));
    const watches = this.#watch(connection);
    await this.#awaitSync(watches);
    await this.#listen({ connection, namespace, authority, watches });
    this.#notReady = undefined;
    this.#emit({ event: 'started', namespace, address: `:${this.port}`, anchors: 1 });
  }

  async stop(reason: string): Promise<void> {
    await this.close();
    this.#emit({ event: 'stopped', reason });
  }

  close(): Promise<void> {
    this.#abort.abort();
    this.#closing ??= this.#parts.disposeAsync();
    return this.#closing;
  }

  async #openMetrics(): Promise<void> {
    const { metrics } = this.#options;
    if (metrics === undefined) return;
    const { registry } = this.#metrics;
    const notReady = (): string | undefined => this.#notReady;
    this.#server = await openMetricsServer({ host: '::', ...metrics, registry, notReady });
    this.#parts.defer(async () => this.#server?.close());
  }

  async #takeLease(connection: KubeConnection, namespace: string): Promise<void> {
    const { identity = `${hostname()}-${process.pid}` } = this.#options;
    let told = '';
    const onWait = (message: string): void => {
      this.#notReady = message;
      if (message !== told) this.#emit({ event: 'waiting', reason: 'Lease', message });
      told = message;
    };
    const { signal } = this.#abort;
    const lease = { ...leaseOptions(connection, namespace), identity, onWait, signal };
    await this.#insist('Lease', () => takeLease(lease));
    const watching = setInterval(() => void this.#checkLease(lease), checkLeaseMs);
    this.#parts.defer(() => clearInterval(watching));
  }

  /** Its holder was taken for dead, or somebody wrote there: two operators must not both hold streams. */
  async #checkLease(lease: LeaseOptions): Promise<void> {
    if ((await holdsLease(lease)) !== false) return;
    this.#notReady = 'another operator has taken the Lease';
    this.#lost.resolve(this.#notReady);
  }

  /** Again and again: a cluster that starts, a namespace that is not there yet. */
  async #insist<Value>(what: string, run: () => Promise<Value>): Promise<Value> {
    for (let waitMs = 500; ; waitMs = Math.min(waitMs * 2, 15_000)) {
      try {
        return await run();
      } catch (error) {
        if (this.#abort.signal.aborted) throw error;
        const message = error instanceof Error ? error.message : String(error);
        this.#notReady = `${what}: ${message}`;
        this.#emit({ event: 'warning', reason: what, message });
        await sleep(waitMs, undefined, { signal: this.#abort.signal });
      }
    }
  }

  #watch(connection: KubeConnection): ClusterWatches {
    const watches = watchCluster({
      connection,
      onChange: () => this.#keeper?.notify(),
      onProblem: (message) => {
        this.#emit({ event: 'warning', reason: 'Watch', message });
        if (this.#notReady !== undefined) this.#notReady = message;
      },
      nowMs: () => Date.now(),
    });
    this.#parts.defer(() => watches.close());
    return watches;
  }

  async #awaitSync(watches: ClusterWatches): Promise<void> {
    while (!watches.isSynced) await sleep(100, undefined, { signal: this.#abort.signal });
  }

  async #listen(cluster: {
    readonly connection: KubeConnection;
    readonly namespace: string;
    readonly authority: KeyedCertificate;
    readonly watches: ClusterWatches;
  }): Promise<void> {
    const { connection, namespace, authority, watches } = cluster;
    const texts: TrustTexts = { revision: Date.now(), anchorsPem: authority.certificatePem, denyText: '' };
    const trust = readTrust(texts);
    const identity = await makeOperatorIdentity(authority, Date.now());
    const keeper = new HomeKeeper({
      connection,
      watches,
      agents: this.#agents,
      metrics: this.#metrics,
      trust: () => texts,
      emit: this.#emit,
    });
    this.#keeper = keeper;
    this.#parts.defer(async () => keeper.close());
    keeper.notify();
    const enrolments = createEnrolments({
      connection,
      namespace,
      authority: () => authority,
      trust: () => texts,
      survey: () => keeper.survey,
      onIssued: (client, role) => {
        this.#metrics.certificatesIssued.inc({ role });
        this.#emit({ event: 'enrolled', client, role });
      },
      onRefused: (client, reason, message) => {
        this.#metrics.refusals.inc({ reason });
        this.#emit({ event: 'refused', client, reason, message });
      },
    });
    this.#listener = await this.#openListener({ identity, trust, enrolments });
  }

  async #openListener(parts: {
    readonly identity: Identity;
    readonly trust: TrustSet;
    readonly enrolments: Enrolments;
  }): Promise<AgentListener> {
    const { identity, trust, enrolments } = parts;
    const listener = await openAgentListener({
      ...this.#options.listen,
      identity: () => identity,
      trust: () => trust,
      version: this.#options.version,
      onEnrol: (request) => enrolments.enrol(request),
      onSession: (session) => {
        this.#agents.open(session);
        this.#tellSession(session);
      },
      onMessage: (session, message) => void this.#take(session, message, enrolments),
      onClose: (session, reason) => {
        if (!this.#agents.close(session, Date.now())) return;
        this.#emit({ event: 'disconnected', client: session.leaf.name, reason });
        this.#keeper?.notify();
      },
    });
    this.#parts.defer(() => listener.close());
    return listener;
  }

  #tellSession({ leaf, version }: AgentSession): void {
    this.#emit({ event: 'connected', client: leaf.name, version });
    this.#keeper?.notify();
  }

  async #take(session: AgentSession, message: AgentMessage, enrolments: Enrolments): Promise<void> {
    if (message.kind === 'report') {
      this.#agents.report(session, message);
      this.#keeper?.notify();
    } else if (message.kind === 'request') {
      session.send(await enrolments.certify(session.leaf.name, message.name, message.csrPem));
    }
  }
}

function readTrust(texts: TrustTexts): TrustSet {
  const trust = parseTrust(texts);
  if (!trust.ok) throw new Error(`reading our own trust set: ${trust.detail}`);
  return trust.value;
}
