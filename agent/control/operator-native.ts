/** The operator's stream of a native client: a camera by itself that the operator certifies by its pinned key. */
import type { CameraReport, Report } from '../../crds/operator-messages.ts';
import type { Identity } from '../../tls/identity.ts';
import type { RunningClient } from '../client/client.ts';
import type { EmitEvent, Untimed } from '../events.ts';
import { History } from '../history.ts';
import type { HeldCertificate } from './operator-certificates.ts';
import { externalAddressesIn } from './operator-resources.ts';
import type { OperatorAddress } from './operator-places.ts';
import { makeReport } from './operator-report.ts';
import { openOperatorStore, type OperatorStore } from './operator-store.ts';
import { OperatorStream, type OperatorCa } from './operator-stream.ts';

export interface NativeStreamOptions {
  readonly operator: OperatorAddress;
  readonly ca: OperatorCa;
  /** `namespace/name` of its CameraClient. */
  readonly name: string;
  readonly state: string;
  readonly media: string;
  readonly version: string;
}

export interface NativeStream {
  readonly identity: Identity;
  /** Folder with `ca.crt` and `deny.txt`, which the stream keeps up to date. */
  readonly trust: string;
  /** `host:port` of servers outside of the cluster. */
  readonly servers: readonly string[];
  /** Keeps this client's certificate new, and reports it. */
  attach(client: RunningClient): void;
  /** What happens to the client, for its reports. */
  take(event: Untimed): void;
  close(): Promise<void>;
}

/** Opens it; resolves when there is a certificate, which may have been there before. */
export async function openNativeStream(options: NativeStreamOptions, emit: EmitEvent): Promise<NativeStream> {
  const store = await openOperatorStore(options, emit);
  const native = new Native(options, store);
  await native.open(emit);
  return native;
}

class Native implements NativeStream {
  readonly #options: NativeStreamOptions;
  readonly #store: OperatorStore;
  readonly #history = new History();
  readonly #first = Promise.withResolvers<void>();
  #stream: OperatorStream | undefined;
  #identity: Identity | undefined;
  #client: RunningClient | undefined;
  #revision = 0;
  #servers: readonly string[] = [];
  #held: { readonly of: string; readonly certificates: readonly HeldCertificate[] } | undefined;

  constructor(options: NativeStreamOptions, store: OperatorStore) {
    this.#options = options;
    this.#store = store;
  }

  get identity(): Identity {
    if (this.#identity === undefined) throw new Error('a native client without a certificate');
    return this.#identity;
  }

  get trust(): string {
    return this.#store.files.trust;
  }

  get servers(): readonly string[] {
    return this.#servers;
  }

  async open(emit: EmitEvent): Promise<void> {
    const { operator, ca, name, version } = this.#options;
    const { certificates, files } = this.#store;
    const stored = await files.readSnapshot();
    if (stored !== undefined) {
      this.#servers = externalAddressesIn(stored);
      this.#first.resolve();
    }
    this.#stream = new OperatorStream({
      ...this.#store,
      address: operator,
      ca,
      name,
      pinnedIn: `CameraClient ${name} (spec.source.native.publicKey)`,
      version,
      report: () => this.#report(),
      onSnapshot: async (snapshot, send) => {
        this.#revision = snapshot.revision;
        this.#servers = externalAddressesIn(snapshot);
        await files.writeSnapshot(snapshot);
        this.#first.resolve();
        const [own] = await certificates.held([name], undefined, Date.now());
        if (own?.isDue !== false) send({ kind: 'request', name, csrPem: await certificates.request(name) });
      },
      onCertificate: () => this.#renew(),
      emit,
    });
    await Promise.all([this.#stream.enrolled, this.#first.promise]);
    this.#identity = await certificates.identity(name);
  }

  attach(client: RunningClient): void {
    this.#client = client;
  }

  take(event: Untimed): void {
    this.#history.take(event, Date.now());
  }

  async close(): Promise<void> {
    await this.#stream?.close();
    await this.#store.trust.close();
  }

  async #renew(): Promise<void> {
    const identity = await this.#store.certificates.identity(this.#options.name);
    if (identity === undefined || identity.certificatePem === this.#identity?.certificatePem) return;
    this.#identity = identity;
    this.#client?.renew(identity);
  }

  /** A report a second must not read the disk. */
  async #heldNow(): Promise<readonly HeldCertificate[]> {
    const { certificates, trust } = this.#store;
    const of = `${trust.revision} ${this.#identity?.certificatePem ?? ''}`;
    if (this.#held?.of !== of) {
      this.#held = { of, certificates: await certificates.held([this.#options.name], trust.set, Date.now()) };
    }
    return this.#held.certificates;
  }

  async #report(): Promise<Report> {
    const { name, media } = this.#options;
    const { trust } = this.#store;
    const status = this.#client?.status();
    const camera = status === undefined ? [] : [{ ...status, source: this.#history.sourceOf(name) }];
    const report = makeReport(
      { name, cameras: camera, handovers: this.#history.handovers },
      {
        snapshotRevision: this.#revision,
        trustRevision: trust.revision,
        cameraProblems: new Map(),
        certificates: await this.#heldNow(),
      },
    );
    return { ...report, cameras: report.cameras.map((each): CameraReport => ({ ...each, media })) };
  }
}
