/** The operator: the one process that talks to Kubernetes. Composes connection, Lease, CA, watches, decisions and agents. */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemNamespace } from '../crds/cluster.ts';
import { Agents } from './agents.ts';
import { Certifier } from './certifier.ts';
import { watchCluster, type ClusterWatches } from './cluster-watches.ts';
import { Door } from './door.ts';
import { HomeKeeper } from './home-keeper.ts';
import { AuthorityError, openAuthority } from './issue/authority.ts';
import { loadKubeConnection, type KubeConnection } from './kube/connection.ts';
import { leaseOptions } from './lease-client.ts';
import { holdsLease, takeLease, type LeaseOptions } from './lease-holding.ts';
import { LedgerKeeper } from './ledger-keeper.ts';
import { createOperatorMetrics } from './metrics.ts';
import { openMetricsServer, type MetricsServer } from './metrics-server.ts';
import { observeConnection } from './observed-connection.ts';
import type { EmitOperatorEvent } from './operator-events.ts';
import { TrustKeeper } from './trust-keeper.ts';

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
/** Certificates live for weeks. */
const renewEveryMs = 3_600_000;

class Operator implements RunningOperator {
  readonly #options: OperatorOptions;
  readonly #emit: EmitOperatorEvent;
  readonly #parts = new AsyncDisposableStack();
  readonly #abort = new AbortController();
  readonly #metrics = createOperatorMetrics();
  readonly #agents = new Agents(Date.now());
  #server: MetricsServer | undefined;
  #door: Door | undefined;
  #keeper: HomeKeeper | undefined;
  #notReady: string | undefined = 'starting';
  #closing: Promise<void> | undefined;
  readonly #lost = Promise.withResolvers<string>();

  constructor(options: OperatorOptions, emit: EmitOperatorEvent) {
    this.#options = options;
    this.#emit = emit;
  }

  get port(): number {
    return this.#door?.port ?? 0;
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
    const watches = this.#watch(connection);
    await this.#until(() => watches.isSynced);
    await this.#serve(connection, namespace, watches);
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
    let told = '';
    for (let waitMs = 500; ; waitMs = Math.min(waitMs * 2, 15_000)) {
      try {
        return await run();
      } catch (error) {
        if (this.#abort.signal.aborted) throw error;
        const message = error instanceof Error ? error.message : String(error);
        this.#notReady = `${what}: ${message}`;
        const reason = error instanceof AuthorityError ? error.reason : what;
        if (message !== told) this.#emit({ event: 'warning', reason, message });
        told = message;
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

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) await sleep(50, undefined, { signal: this.#abort.signal });
  }

  /** Trust first, then what is decided, then those who come in. */
  async #serve(connection: KubeConnection, namespace: string, watches: ClusterWatches): Promise<void> {
    const authority = await this.#insist('CA', () => openAuthority(connection, namespace, Date.now()));
    const ledger = await this.#insist('Ledger', () => LedgerKeeper.open(connection, namespace));
    const trust = new TrustKeeper({
      connection,
      namespace,
      authority,
      agents: this.#agents,
      ledger,
      survey: () => this.#keeper?.survey,
      write: (decision) => this.#keeper?.write(decision),
      overlay: (bundle) => this.#keeper?.overlay('TrustBundle', bundle) ?? bundle,
      onChange: ({ isNewAuthority }) => void this.#refresh(isNewAuthority),
      onProblem: (reason, message) => this.#emit({ event: 'warning', reason, message }),
    });
    this.#parts.defer(() => trust.close());
    await this.#until(() => trust.isSynced);
    this.#keeper = this.#keepHome(connection, watches, trust);
    await trust.start();
    this.#door = this.#makeDoor({ connection, namespace, ledger, trust });
    await this.#door.open();
    this.#keeper.notify();
    const renewing = setInterval(() => void this.#refresh(false), renewEveryMs);
    this.#parts.defer(() => clearInterval(renewing));
    this.#tellStarted(namespace, trust);
  }

  #keepHome(connection: KubeConnection, watches: ClusterWatches, trust: TrustKeeper): HomeKeeper {
    const keeper = new HomeKeeper({
      connection,
      watches,
      agents: this.#agents,
      metrics: this.#metrics,
      trust: () => trust.texts,
      bundle: (name) => trust.bundle(name),
      keysInUse: () => this.#door?.keysInUse(Date.now()) ?? new Map(),
      onLook: () => {
        trust.notify();
        this.#showAnchors(trust);
      },
      emit: this.#emit,
    });
    this.#parts.defer(async () => keeper.close());
    return keeper;
  }

  #makeDoor(parts: {
    readonly connection: KubeConnection;
    readonly namespace: string;
    readonly ledger: LedgerKeeper;
    readonly trust: TrustKeeper;
  }): Door {
    const { connection, namespace, ledger, trust } = parts;
    const { listen, version } = this.#options;
    const certifier = new Certifier({
      authority: () => trust.authority,
      ledger,
      onIssued: (client, role) => {
        this.#metrics.certificatesIssued.inc({ role });
        this.#emit({ event: 'enrolled', client, role });
      },
    });
    const door = new Door({
      connection,
      namespace,
      listen,
      version,
      agents: this.#agents,
      trust,
      certifier,
      metrics: this.#metrics,
      survey: () => this.#keeper?.survey,
      onChange: () => this.#keeper?.notify(),
      onEvent: (event) => this.#keeper?.tell(event),
      emit: this.#emit,
    });
    this.#parts.defer(() => door.close());
    return door;
  }

  async #refresh(isNewAuthority: boolean): Promise<void> {
    try {
      await this.#door?.refresh(isNewAuthority);
      this.#keeper?.notify();
      await this.#door?.renew();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#emit({ event: 'warning', reason: 'Issue', message });
    }
  }

  #showAnchors({ trust }: TrustKeeper): void {
    const { anchorDays } = this.#metrics;
    anchorDays.reset();
    for (const { sha256, notAfterMs } of trust.anchors) {
      anchorDays.set({ sha256 }, Math.floor((notAfterMs - Date.now()) / 86_400_000));
    }
  }

  #tellStarted(namespace: string, keeper: TrustKeeper): void {
    const { trust } = keeper;
    this.#showAnchors(keeper);
    this.#notReady = undefined;
    this.#emit({ event: 'started', namespace, address: `:${this.port}`, anchors: trust.anchors.length });
  }
}
