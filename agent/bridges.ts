/** The cameras that this agent bridges: one client each, started, changed and stopped as the resources say. */
import { join } from 'node:path';
import { createScanner } from '../protocol/media/scanners.ts';
import { openClient, type RunningClient } from './client/client.ts';
import type { ClientStatus } from './client/core-events.ts';
import { type RingBudget, createRingBudget } from './client/ring-budget.ts';
import { encodeSavedClient, parseSavedClient } from './client/saved-client.ts';
import type { TrustView } from './client/transport.ts';
import type { BridgedCamera } from './control/assignment.ts';
import { ConfigError } from '../crds/config-error.ts';
import { clientConfigOf } from './control/settings.ts';
import type { EmitEvent } from './events.ts';
import type { StreamAddress } from './sinks/sink.ts';
import { openCamera } from './camera-sources.ts';
import type { Source, SourceListener } from './sources/source.ts';
import { keepSource } from './sources/keep-source.ts';
import type { ServerSearch } from './server-search.ts';
import type { StateFile } from './state-file.ts';
import { loadIdentity, type Identity } from '../tls/identity.ts';

export interface BridgesOptions {
  /** `--client-certs`: `<last part of the name>.crt` and `.key` of each camera. */
  readonly certificates?: string;
  /** `--media`: where `file` sources are. */
  readonly media?: string;
  /** `--keep-source`: what each source gave, byte for byte. */
  readonly keepSource?: string;
  readonly trust: TrustView;
  readonly search: ServerSearch;
  readonly state: StateFile;
  /** For all rings together. @defaultValue 256 MiB */
  readonly ringBytes?: number;
  readonly emit: EmitEvent;
}

/** A camera and the certificate that says so. */
export interface CertifiedCamera {
  readonly camera: BridgedCamera;
  readonly identity: Identity;
}

/**
 * Reads the certificate of each camera out of the folder.
 *
 * @throws ConfigError with every file that is wrong, and what would be right
 */
export async function loadCertificates(
  cameras: readonly BridgedCamera[],
  directory: string | undefined,
): Promise<readonly CertifiedCamera[]> {
  const loaded = await Promise.allSettled(
    cameras.map(async (camera) => ({ camera, identity: await loadCertificate(camera, directory) })),
  );
  const problems = loaded.flatMap((each) => {
    if (each.status === 'fulfilled') return [];
    if (each.reason instanceof ConfigError) return each.reason.problems;
    throw each.reason;
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return loaded.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}

async function loadCertificate(camera: BridgedCamera, directory: string | undefined): Promise<Identity> {
  const { name, certificateName } = camera;
  if (directory === undefined) {
    throw new ConfigError(
      `camera ${name} needs a certificate: --client-certs DIR, with what 'homing ca issue --client ${name} --out DIR' wrote`,
    );
  }
  const file = join(directory, `${certificateName}.crt`);
  const identity = await loadIdentity(file, join(directory, `${certificateName}.key`));
  const { role, name: certified } = identity.leaf;
  if (role !== 'client' || certified !== name) {
    throw new ConfigError({
      file,
      message: `is the certificate of ${role} ${certified}: must be that of client ${name} (homing ca issue --client ${name})`,
    });
  }
  return identity;
}

interface Bridge extends CertifiedCamera {
  readonly client: RunningClient;
}

/** Runs a client for each camera that it is given. */
export class Bridges {
  readonly #options: BridgesOptions;
  readonly #ringBudget: RingBudget;
  readonly #running = new Map<string, Bridge>();
  #isClosed = false;

  constructor(options: BridgesOptions) {
    this.#options = options;
    this.#ringBudget = createRingBudget(options.ringBytes);
  }

  /** From now on these cameras: starts the new, restarts the changed, renews certificates, stops those that are gone. */
  async set(cameras: readonly CertifiedCamera[]): Promise<void> {
    if (this.#isClosed) return;
    const wanted = new Map(cameras.map((each) => [each.camera.name, each]));
    const stopped = [...this.#running].filter(([name, bridge]) => !isSame(bridge, wanted.get(name)));
    await Promise.all(stopped.map(async ([name]) => this.#stop(name)));
    for (const each of cameras) {
      const { name } = each.camera;
      const bridge = this.#running.get(name);
      if (this.#isClosed) return;
      if (bridge === undefined) this.#running.set(name, { ...each, client: this.#open(each) });
      else if (bridge.identity.certificatePem !== each.identity.certificatePem) {
        bridge.client.renew(each.identity);
        this.#running.set(name, { ...bridge, ...each });
      }
    }
  }

  statuses(): readonly ClientStatus[] {
    return [...this.#running.values()].map(({ client }) => client.status());
  }

  /** Gives each stream its last acks, and closes every camera session. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#running.keys()].map(async (name) => this.#stop(name)));
  }

  async #stop(name: string): Promise<void> {
    const bridge = this.#running.get(name);
    this.#running.delete(name);
    await bridge?.client.close();
  }

  #open({ camera, identity }: CertifiedCamera): RunningClient {
    const { trust, search, state, emit } = this.#options;
    const section = `client ${camera.name}`;
    return openClient({
      identity,
      trust,
      config: clientConfigOf(camera),
      servers: search.servers,
      discover: search.discover,
      openSource: (listener, address) => this.#openSource(camera, listener, address),
      scannerFor: createScanner,
      ringBudget: this.#ringBudget,
      saved: parseSavedClient(state.read(section)),
      onSave: (saved) => state.write(section, encodeSavedClient(saved)),
      emit,
    });
  }

  #openSource(camera: BridgedCamera, listener: SourceListener, address: StreamAddress): Source {
    const { keepSource: directory, media } = this.#options;
    if (directory === undefined) return openCamera(camera, media, listener);
    const kept = keepSource(directory, address, listener);
    const source = openCamera(camera, media, kept.listener);
    return {
      setPaused: (isPaused) => source.setPaused?.(isPaused),
      async close() {
        await source.close();
        kept.close();
      },
    };
  }
}

/** The same camera with the same key: its client goes on. */
function isSame(bridge: Bridge, wanted: CertifiedCamera | undefined): boolean {
  if (wanted === undefined) return false;
  const [before, after] = [bridge, wanted].map(({ camera, identity }) =>
    JSON.stringify([camera, identity.leaf.id, identity.leaf.spkiSha256]),
  );
  return before === after;
}
