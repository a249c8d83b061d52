/** An agent's home as the operator sees it: snapshots become files that the agent follows, certificates are asked for, reports are made. */
import type { AgentMessage, Report, Snapshot } from '../../crds/operator-messages.ts';
import type { AgentStatus } from '../agent.ts';
import type { EmitEvent } from '../events.ts';
import type { HeldCertificate, OperatorCertificates } from './operator-certificates.ts';
import type { OperatorFiles } from './operator-files.ts';
import { makeReport } from './operator-report.ts';
import { camerasIn, takeRunnable, type RunnableResources } from './operator-resources.ts';
import type { OperatorTrust } from './operator-trust.ts';

export interface OperatorHomeOptions {
  /** The agent's. */
  readonly name: string;
  readonly files: OperatorFiles;
  readonly certificates: OperatorCertificates;
  readonly trust: OperatorTrust;
  /** The agent has a folder for `file` sources. */
  readonly hasMedia: boolean;
  /** The agent has a folder in memory for passwords. */
  readonly hasCredentials: boolean;
  readonly status: () => AgentStatus | undefined;
  readonly emit: EmitEvent;
}

export class OperatorHome {
  readonly #options: OperatorHomeOptions;
  readonly #ready = Promise.withResolvers<void>();
  #snapshot: Snapshot | undefined;
  #runnable: RunnableResources | undefined;
  #revision = 0;
  /** Why the last snapshot is not in use. */
  #problem: string | undefined;
  #problems: ReadonlyMap<string, string> = new Map();
  #working: Promise<void> = Promise.resolve();
  /** What was read last, and of which trust set: a report a second must not read the disk. */
  #held: { readonly certificates: readonly HeldCertificate[]; readonly trustRevision: number } | undefined;

  constructor(options: OperatorHomeOptions) {
    this.#options = options;
  }

  /** Resolves when the files hold something to run from. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Goes on with what is on the disk. */
  async open(): Promise<void> {
    const stored = await this.#options.files.readSnapshot();
    if (stored === undefined) return;
    this.#snapshot = { ...stored, revision: 1 };
    await this.#materialize(stored, 0);
  }

  /** Takes a snapshot, and asks for the certificates that are missing or run out. */
  async take(snapshot: Snapshot, send: (message: AgentMessage) => void): Promise<void> {
    this.#snapshot = snapshot;
    await this.#options.files.writeSnapshot(snapshot);
    await this.materialize();
    await this.request(send);
  }

  /** Writes anew what is run: a certificate came. */
  async materialize(): Promise<void> {
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return;
    const writing = this.#working.then(async () => this.#materialize(snapshot, snapshot.revision));
    // What failed once is told by whoever waits for it, and must not hold up the next.
    this.#working = writing.catch(() => undefined);
    await writing;
  }

  /** Asks for each certificate that is not there, or has a third of its life left. */
  async request(send: (message: AgentMessage) => void): Promise<void> {
    const { certificates, name } = this.#options;
    const names = [name, ...this.#cameras];
    const held = await certificates.held(names, undefined, Date.now());
    const good = new Set(held.filter(({ isDue }) => !isDue).map((each) => each.name));
    for (const each of names) {
      if (!good.has(each)) send({ kind: 'request', name: each, csrPem: await certificates.request(each) });
    }
  }

  async report(): Promise<Report> {
    const { trust, status } = this.#options;
    const now = status();
    const wrong = now?.configuration.isCurrent === false ? now.configuration.problem : undefined;
    return makeReport(now, {
      snapshotRevision: this.#revision,
      trustRevision: trust.revision,
      cameraProblems: this.#problems,
      problem: this.#problem ?? wrong,
      certificates: await this.#heldNow(),
    });
  }

  async #heldNow(): Promise<readonly HeldCertificate[]> {
    const { certificates, name, trust } = this.#options;
    const trustRevision = trust.revision;
    if (this.#held?.trustRevision !== trustRevision) {
      const held = await certificates.held([name, ...this.#cameras], trust.set, Date.now());
      this.#held = { certificates: held, trustRevision };
    }
    return this.#held.certificates;
  }

  /** Those that it is a bridge of, the first or a later one. */
  get #cameras(): readonly string[] {
    return this.#snapshot === undefined ? [] : camerasIn(this.#snapshot);
  }

  async #materialize(snapshot: Snapshot, revision: number): Promise<void> {
    const { certificates, files, name, hasMedia, hasCredentials } = this.#options;
    const cameras = camerasIn(snapshot);
    const held = new Set((await certificates.held(cameras, undefined, Date.now())).map((each) => each.name));
    const runnable = takeRunnable(snapshot, {
      name,
      hasMedia,
      hasCredentials,
      isCertified: (camera) => held.has(camera),
      previous: this.#runnable,
    });
    this.#tell(runnable);
    this.#problem = runnable.serverProblem;
    if (runnable.serverProblem !== undefined) return;
    this.#problems = runnable.problems;
    this.#runnable = runnable;
    await certificates.link(runnable.ownCameras.filter((camera) => held.has(camera)));
    await files.writeResources(runnable, snapshot.isCordoned);
    await certificates.prune(cameras);
    this.#held = undefined;
    this.#revision = revision;
    this.#ready.resolve();
  }

  /** Each problem once, as long as it is the same: the machine's own log shows them without a cluster. */
  #tell({ serverProblem, problems }: RunnableResources): void {
    const { emit } = this.#options;
    if (serverProblem !== undefined && serverProblem !== this.#problem) {
      emit({
        event: 'warning',
        reason: 'SnapshotRefused',
        message: `${serverProblem}. What was there before goes on.`,
      });
    }
    for (const [client, message] of problems) {
      if (this.#problems.get(client) === message) continue;
      emit({ event: 'warning', reason: 'CameraRefused', client, message });
    }
  }
}
