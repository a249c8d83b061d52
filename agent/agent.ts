/** An agent: one machine's part of the home. Composes trust, server, sinks and cameras; `configure` is the way in for changes. */
import { join } from 'node:path';
import { formatEndpoint } from '../protocol/endpoints.ts';
import { Bridges } from './bridges.ts';
import type { ClientStatus } from './client/core-events.ts';
import { CertificateExpiry, type CertificateStatus } from './control/certificate-expiry.ts';
import { lookAtFiles } from './control/file-watch.ts';
import { type ConfigurationStatus, LiveConfiguration } from './control/live-configuration.ts';
import { serverConfigOf } from './control/settings.ts';
import { readResources } from './control/resource-files.ts';
import type { Resources } from './control/resources.ts';
import type { AgentEvent, EmitEvent } from './events.ts';
import { History } from './history.ts';
import { openHomeServer, type HomeServerRun } from './home-server.ts';
import { KnownServers } from './known-servers.ts';
import { makePlan, type Plan, type PlanOptions, type ServerPlan } from './plan.ts';
import { RecordingsClaim } from './recordings-claim.ts';
import { searchByListening, searchFromServer } from './server-search.ts';
import type { RunningServer, RunningServerStatus } from './server/server.ts';
import { openStateFile, type StateFile } from './state-file.ts';
import { openStatusSocket } from './status-socket.ts';
import type { Identity } from '../tls/identity.ts';
import { watchTrust, type WatchedTrust } from './trust-directory.ts';

export interface AgentOptions extends PlanOptions {
  /** File or folder of resources. */
  readonly resources: string;
  /** Folder of state and status socket; one agent each. */
  readonly state: string;
  /** @defaultValue `recordings` in `state` */
  readonly recordings?: string;
  /** For all cameras' rings together. @defaultValue 256 MiB */
  readonly ringBytes?: number;
  /** Folder that gets what each source gave, byte for byte. */
  readonly keepSource?: string;
  readonly version: string;
  /** For tests: how long a sink must work again before its feature comes back. @defaultValue 60,000 */
  readonly sinkHealthMs?: number;
}

/** What `homing status` shows. */
export interface AgentStatus {
  readonly name: string;
  readonly version: string;
  /** RFC 3339. */
  readonly started: string;
  readonly configuration: ConfigurationStatus;
  /** Our own: the server's and the cameras'. */
  readonly certificates: readonly CertificateStatus[];
  /** Absent: client only. */
  readonly server?: RunningServerStatus;
  /** The cameras that this agent bridges, wherever they stream to. */
  readonly cameras: readonly CameraStatus[];
  /** Of those cameras; oldest first. */
  readonly handovers: readonly Extract<AgentEvent, { readonly event: 'handedOver' }>[];
}

type CameraStatus = ClientStatus & { readonly source?: ReturnType<History['sourceOf']> };

export interface RunningAgent {
  status(): AgentStatus;
  /** Does from now on what other resources say. */
  configure(resources: Resources): Promise<void>;
  /** Sends everybody elsewhere, gives what was recorded its last acks, and closes everything. */
  stop(reason: string): Promise<void>;
}

const checkExpiryMs = 3_600_000;

/**
 * Starts an agent. From then on it follows its files: resources, certificates, trust.
 *
 * @throws ConfigError with everything that is wrong with options, resources and certificates
 */
export async function runAgent(options: AgentOptions, emit: EmitEvent): Promise<RunningAgent> {
  const firstLook = await lookAtFiles([options.resources, ...certificatePlaces(options)]);
  const resources = await readResources(options.resources);
  const agent = new Agent(options, emit);
  try {
    await agent.open(await makePlan(resources, options));
    agent.follow(firstLook);
    return agent;
  } catch (error) {
    await agent.close();
    throw error;
  }
}

function certificatePlaces({ certificate, clientCertificates }: AgentOptions): readonly string[] {
  const own = certificate === undefined ? [] : [certificate.certPath, certificate.keyPath];
  return clientCertificates === undefined ? own : [...own, clientCertificates];
}

class Agent implements RunningAgent {
  readonly #options: AgentOptions;
  readonly #emit: EmitEvent;
  readonly #history = new History();
  readonly #known = new KnownServers();
  readonly #started = new Date().toISOString();
  readonly #expiry: CertificateExpiry;
  /** What is open, to be closed in the opposite order. */
  readonly #parts = new AsyncDisposableStack();
  #trust: WatchedTrust | undefined;
  #home: HomeServerRun | undefined;
  #server: RunningServer | undefined;
  #bridges: Bridges | undefined;
  #live: LiveConfiguration | undefined;
  #bundles: Plan['bundles'] = [];
  /** Where a client-only agent looks for servers. */
  #searched: readonly string[] = [];
  /** What the server that runs was opened with, and the certificate that it has by now. */
  #serverPlan: ServerPlan | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: AgentOptions, emit: EmitEvent) {
    this.#options = options;
    this.#emit = (event) => {
      this.#history.take(event, Date.now());
      this.#known.take(event);
      emit(event);
    };
    this.#expiry = new CertificateExpiry(this.#emit);
  }

  async open(plan: Plan): Promise<void> {
    const { state: directory, trust: place } = this.#options;
    this.#bundles = plan.bundles;
    // First: it keeps a second agent from the same state.
    const socket = await openStatusSocket(directory, () => this.status());
    this.#parts.defer(async () => socket.close());
    const onProblem = (message: string): void =>
      this.#emit({ event: 'warning', reason: 'StateFile', message });
    const state = await openStateFile({ directory, onProblem });
    this.#parts.defer(async () => state.close());
    this.#trust = await watchTrust(place, plan.bundles, this.#emit);
    this.#parts.defer(async () => this.#trust?.close());
    await this.#openServer(plan, state, this.#trust);
    await this.#openBridges(plan, state, this.#trust);
    const expiring = setInterval(() => this.#expiry.check(Date.now()), checkExpiryMs);
    this.#parts.defer(() => clearInterval(expiring));
    this.#tellStarted(plan);
    this.#expiry.set(identitiesOf(plan), Date.now());
  }

  /** Does what the files say whenever they change. @param firstLook from before they were read */
  follow(firstLook: string): void {
    this.#live = new LiveConfiguration({
      resources: this.#options.resources,
      certificates: certificatePlaces(this.#options),
      firstLook,
      emit: this.#emit,
      deny: async (denyText) => {
        const denied = { origin: 'TrustBundles', anchorsPem: '', denyText };
        await this.#trust?.setBundles([...this.#bundles, denied]);
      },
      apply: async (resources) => {
        await this.configure(resources);
        return this.#bridges?.statuses().length ?? 0;
      },
    });
    this.#parts.defer(async () => this.#live?.close());
  }

  status(): AgentStatus {
    const { name, version } = this.#options;
    return {
      name,
      version,
      started: this.#started,
      configuration: this.#live?.status ?? { isCurrent: true, time: this.#started },
      certificates: this.#expiry.status(Date.now()),
      ...(this.#server === undefined ? {} : { server: this.#server.status() }),
      cameras: (this.#bridges?.statuses() ?? []).map((camera) => ({
        ...camera,
        source: this.#history.sourceOf(camera.name),
      })),
      handovers: this.#history.handovers,
    };
  }

  async configure(resources: Resources): Promise<void> {
    const plan = await makePlan(resources, this.#options);
    this.#bundles = plan.bundles;
    await this.#trust?.setBundles(plan.bundles);
    this.#configureServer(plan.server);
    if (this.#server === undefined && plan.externalAddresses.join() !== this.#searched.join()) {
      this.#tellRestartNeeded('servers are looked for at the addresses that the files name now');
    }
    await this.#bridges?.set(plan.cameras);
    this.#expiry.set(identitiesOf(plan), Date.now());
  }

  stop(reason: string): Promise<void> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  async close(): Promise<void> {
    await this.#parts.disposeAsync();
  }

  /** Our own cameras first: their streams end here with all that is durable, and nobody has to move. */
  async #stop(reason: string): Promise<void> {
    await this.#live?.close();
    await this.#bridges?.close();
    await this.#server?.drain();
    await this.close();
    this.#emit({ event: 'stopped', reason });
  }

  async #openServer(plan: Plan, state: StateFile, trust: WatchedTrust): Promise<void> {
    const { state: directory, recordings = join(directory, 'recordings'), sinkHealthMs } = this.#options;
    if (plan.server === undefined) return;
    const claim = new RecordingsClaim();
    this.#parts.defer(() => claim.close());
    this.#home = await openHomeServer({
      plan: plan.server,
      recordings,
      claim,
      state,
      trust,
      emit: this.#emit,
      ...(sinkHealthMs === undefined ? {} : { sinkHealthMs }),
    });
    this.#server = this.#home.server;
    this.#serverPlan = plan.server;
    this.#parts.defer(async () => this.#server?.close());
  }

  async #openBridges(plan: Plan, state: StateFile, trust: WatchedTrust): Promise<void> {
    const { media, keepSource, ringBytes } = this.#options;
    this.#searched = plan.externalAddresses;
    const search =
      this.#server === undefined
        ? await searchByListening(plan.externalAddresses, trust, this.#emit)
        : searchFromServer(this.#server, this.#known);
    this.#parts.defer(async () => search.close());
    this.#bridges = new Bridges({
      trust,
      state,
      search,
      emit: this.#emit,
      ...(media === undefined ? {} : { media }),
      ...(keepSource === undefined ? {} : { keepSource }),
      ...(ringBytes === undefined ? {} : { ringBytes }),
    });
    this.#parts.defer(async () => this.#bridges?.close());
    await this.#bridges.set(plan.cameras);
  }

  #configureServer(plan: ServerPlan | undefined): void {
    const before = this.#serverPlan;
    if (plan === undefined || before === undefined) {
      if (plan !== before)
        this.#tellRestartNeeded(`a server is ${plan === undefined ? 'ended' : 'started'} here`);
      return;
    }
    const { resource, assignment } = plan;
    this.#renewServer(plan, before);
    if (this.#home?.setBounds(resource) === false) {
      this.#tellRestartNeeded('what spec.sinks says now is done');
    }
    this.#server?.configure(serverConfigOf(resource, assignment));
  }

  /** A certificate binds our key and identifier: with other ones we would be another server. */
  #renewServer({ identity }: ServerPlan, before: ServerPlan): void {
    if (!isSameKey(identity, before.identity)) {
      this.#tellRestartNeeded(
        `the certificate of ${identity.leaf.name} with another key or identifier is used`,
      );
    } else if (identity.certificatePem !== before.identity.certificatePem) {
      this.#server?.setIdentity(identity);
      this.#serverPlan = { ...before, identity };
    }
  }

  #tellRestartNeeded(what: string): void {
    const message = `${what} at the next start of the agent`;
    this.#emit({ event: 'warning', reason: 'RestartNeeded', message });
  }

  #tellStarted({ cameras }: Plan): void {
    const server = this.#server?.status();
    const [endpoint] = server?.endpoints ?? [];
    this.#emit({
      event: 'started',
      ...(server === undefined ? {} : { server: server.name, id: server.id }),
      ...(endpoint === undefined ? {} : { address: formatEndpoint(endpoint) }),
      clients: cameras.length,
    });
  }
}

function isSameKey({ leaf }: Identity, { leaf: other }: Identity): boolean {
  return leaf.id === other.id && leaf.spkiSha256 === other.spkiSha256;
}

function identitiesOf({ server, cameras }: Plan): readonly Identity[] {
  const own = server === undefined ? [] : [server.identity];
  return [...own, ...cameras.map(({ identity }) => identity)];
}
