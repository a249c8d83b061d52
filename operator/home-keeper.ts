/** Keeps statuses, Events and agents as the last look at the home says. */
import type { CameraClient } from '../crds/camera-client.ts';
import { homingApiVersion } from '../crds/metadata.ts';
import type { TrustTexts } from '../crds/operator-messages.ts';
import type { Agents } from './agents.ts';
import { openCameraSecrets, type CameraSecrets } from './camera-secrets.ts';
import type { ClusterWatches } from './cluster-watches.ts';
import { openEventBatches, type EventBatches } from './event-batches.ts';
import { openHome, type Home } from './home.ts';
import { KubeError, type KubeConnection } from './kube/connection.ts';
import { cameraClients, homeServers, pathOf, secrets, trustBundles } from './kube/kinds.ts';
import { applyObject, recordEvent } from './kube/objects.ts';
import { createWorkQueue, type WorkQueue } from './kube/queue.ts';
import type { OperatorMetrics } from './metrics.ts';
import type { EmitOperatorEvent } from './operator-events.ts';
import type { EventNote } from './reconcile/events.ts';
import type { HomeDecision, Pass, StatusDecision } from './reconcile/pass.ts';
import type { Survey } from './reconcile/survey.ts';
import { createStatusWriter, type StatusWriter } from './status-writer.ts';

export interface HomeKeeperOptions {
  readonly connection: KubeConnection;
  readonly watches: ClusterWatches;
  readonly agents: Agents;
  readonly metrics: OperatorMetrics;
  /** Absent until it is known. */
  readonly trust: () => TrustTexts | undefined;
  readonly bundle: (name: string) => object | undefined;
  readonly keysInUse: () => ReadonlyMap<string, string>;
  /** After each look at the home. */
  readonly onLook: () => void;
  readonly emit: EmitOperatorEvent;
}

const readTimeoutMs = 10_000;

/** Opens with its construction; looks at each `notify`. */
export class HomeKeeper {
  readonly #options: HomeKeeperOptions;
  readonly #startedMs = Date.now();
  readonly #home: Home;
  readonly #writer: StatusWriter;
  readonly #queue: WorkQueue;
  readonly #events: EventBatches;
  readonly #secrets: CameraSecrets;

  constructor(options: HomeKeeperOptions) {
    this.#options = options;
    this.#writer = createStatusWriter({
      observe: (kind, key) =>
        kind === 'TrustBundle' ? options.bundle(key) : this.#informerOf(kind).get(key),
      apply: (decision, signal) => this.#apply(decision, signal),
      onWritten: (decision) => this.#tellWritten(decision),
    });
    this.#queue = createWorkQueue({
      run: (key, signal) => this.#writer.run(key, signal),
      onError: (key, error) => {
        options.emit({ event: 'warning', reason: 'Write', message: `status of ${key}: ${error.message}` });
        // What was decided meanwhile was left aside.
        this.notify();
      },
    });
    this.#events = openEventBatches({
      world: () => this.survey?.world,
      record: (note) => this.#record(note),
    });
    this.#secrets = openCameraSecrets({
      read: (namespace, name) => this.#readSecret(namespace, name),
      onChange: () => this.notify(),
    });
    this.#home = this.#openHome();
  }

  /** What the last look found. */
  get survey(): Survey | undefined {
    return this.#home.last?.survey;
  }

  notify(): void {
    this.#home.notify();
  }

  /** Has a status written, where it says something else than the one that is there. */
  write(decision: StatusDecision): void {
    const key = this.#writer.want(decision);
    if (key !== undefined) this.#queue.add(key);
  }

  /** Has an Event written, where its object is there. */
  tell(event: EventNote): void {
    const { kind, name, namespace } = event.regarding;
    const key = namespace === undefined ? name : `${namespace}/${name}`;
    if (this.#informerOf(kind).get(key) !== undefined) this.#events.tell({ events: [event] });
  }

  /** An object with what we wrote last, while the watch is behind. */
  overlay(kind: StatusDecision['kind'], object: object): object {
    return this.#writer.overlay(kind, object);
  }

  async close(): Promise<void> {
    this.#home.close();
    this.#secrets.close();
    await this.#queue.close();
    await this.#events.close();
  }

  #openHome(): Home {
    const { watches, agents, trust } = this.#options;
    const overlaid = (kind: HomeDecision['kind']): readonly object[] =>
      this.#informerOf(kind)
        .list()
        .map((object) => this.#writer.overlay(kind, object));
    return openHome({
      raw: () => ({
        homeServers: overlaid('HomeServer'),
        cameraClients: overlaid('CameraClient'),
        nodes: watches.nodes.list(),
      }),
      agents: () => agents.views(),
      sessions: () => agents.connected,
      credentials: () => this.#secrets,
      trust,
      keysInUse: this.#options.keysInUse,
      startedMs: () => this.#startedMs,
      write: (decision) => this.write(decision),
      send: (name, snapshot) => agents.send(name, snapshot),
      onPass: (pass, milliseconds) => this.#look(pass, milliseconds),
      onFailure: (error) => {
        const message = error instanceof Error ? error.message : String(error);
        this.#options.emit({ event: 'warning', reason: 'Look', message });
      },
    });
  }

  #look({ survey, statuses }: Pass, milliseconds: number): void {
    this.#options.onLook();
    const { metrics, agents } = this.#options;
    const cameras: readonly CameraClient[] = survey.world.cameraClients;
    this.#secrets.follow(cameras.filter(({ spec }) => spec.source.native === undefined));
    metrics.reconcileSeconds.observe(milliseconds / 1000);
    metrics.queueDepth.set(this.#queue.depth);
    metrics.sessions.set(agents.connected.length);
    for (const kind of ['HomeServer', 'CameraClient'] as const) {
      const gauge = kind === 'HomeServer' ? metrics.homeServers : metrics.cameraClients;
      const reasons = statuses.filter((each) => each.kind === kind).map(readyReason);
      gauge.reset();
      for (const reason of reasons) gauge.inc({ reason });
    }
  }

  async #apply({ kind, key, status }: StatusDecision, signal: AbortSignal): Promise<unknown> {
    const [first = '', second] = key.split('/');
    const metadata = second === undefined ? { name: first } : { namespace: first, name: second };
    const object = { metadata, status };
    return applyObject(this.#options.connection, resourceKinds[kind], object, {
      subresource: 'status',
      signal,
    });
  }

  #tellWritten(decision: StatusDecision): void {
    const { metrics, emit } = this.#options;
    const { kind, key } = decision;
    metrics.statusWrites.inc({ kind });
    emit({ event: 'wrote', kind, name: key });
    if (decision.kind !== 'TrustBundle') this.#events.tell(decision);
    // What we wrote is what the next decision starts from.
    this.notify();
  }

  async #record({ regarding, type, reason, note }: EventNote): Promise<void> {
    const { connection, emit } = this.#options;
    const { name, namespace, kind } = regarding;
    const object = this.#informerOf(kind).get(namespace === undefined ? name : `${namespace}/${name}`);
    if (reason === 'Moved') emit({ event: 'moved', message: note });
    try {
      await recordEvent(connection, {
        regarding: { apiVersion: homingApiVersion, ...regarding, ...uidOf(object) },
        type,
        reason,
        action: reason,
        note,
        reportingInstance: 'homing-operator',
      });
    } catch (error) {
      // Nothing depends on an Event, and nobody waits for it.
      const message = error instanceof Error ? error.message : String(error);
      emit({ event: 'warning', reason: 'Event', message });
    }
  }

  async #readSecret(
    namespace: string,
    name: string,
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    try {
      return await this.#options.connection.request({
        method: 'GET',
        path: pathOf(secrets, { namespace, name }),
        timeoutMs: readTimeoutMs,
      });
    } catch (error) {
      if (error instanceof KubeError && (error.status === 404 || error.status === 403)) {
        return { status: error.status, body: undefined };
      }
      throw error;
    }
  }

  #informerOf(kind: HomeDecision['kind']) {
    const { watches } = this.#options;
    return kind === 'HomeServer' ? watches.homeServers : watches.cameraClients;
  }
}

const resourceKinds = { HomeServer: homeServers, CameraClient: cameraClients, TrustBundle: trustBundles };

function readyReason({ status }: HomeDecision): string {
  return status.conditions?.find(({ type }) => type === 'Ready')?.reason ?? 'Unreported';
}

function uidOf(object: object | undefined): { readonly uid?: string } {
  const metadata: unknown = object === undefined ? undefined : Reflect.get(object, 'metadata');
  const uid: unknown =
    typeof metadata === 'object' && metadata !== null ? Reflect.get(metadata, 'uid') : undefined;
  return typeof uid === 'string' ? { uid } : {};
}
