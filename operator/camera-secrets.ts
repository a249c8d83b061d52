/**
 * Cameras' Secrets, read one by one: they lie in the cameras' namespaces, where the operator may `get` and neither list nor
 * watch, so that it sees no Secret that no camera names. Read when a camera appears or changes, and every minute.
 */
import type { CameraClient } from '../crds/camera-client.ts';
import { readCameraSecret, type CameraSecret } from './reconcile/camera-secret.ts';
import { fullNameOf, type CredentialProblem } from './reconcile/world.ts';

export interface CameraSecretsOptions {
  /** A GET of one Secret: the HTTP status and what came. Rejects where there is no answer. */
  readonly read: (
    namespace: string,
    name: string,
  ) => Promise<{ readonly status: number; readonly body: unknown }>;
  /** Something is other than it was. */
  readonly onChange: () => void;
}

export interface CameraSecrets {
  /** These are the cameras now. */
  follow(cameras: readonly CameraClient[]): void;
  /** By camera's `namespace/name`. */
  readonly secrets: ReadonlyMap<string, CameraSecret>;
  readonly problems: ReadonlyMap<string, CredentialProblem>;
  close(): void;
}

const readAgainMs = 60_000;

/** One Secret that cameras refer to. */
interface Entry {
  /** The last that was good: a Secret that vanishes takes no camera away. */
  readonly good?: CameraSecret;
  readonly problem?: CredentialProblem;
}

/** Opens it; nothing is read before `follow`. */
export function openCameraSecrets(options: CameraSecretsOptions): CameraSecrets {
  return new Secrets(options);
}

class Secrets implements CameraSecrets {
  readonly #options: CameraSecretsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #timer: NodeJS.Timeout;
  /** Secret's `namespace/name` by camera's. */
  #wanted: ReadonlyMap<string, string> = new Map();
  /** As it was when it was read last: resource version of the camera by its name. */
  #seen: ReadonlyMap<string, string> = new Map();
  #isClosed = false;

  constructor(options: CameraSecretsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#readAll(new Set(this.#wanted.values())), readAgainMs);
  }

  follow(cameras: readonly CameraClient[]): void {
    const referring = cameras.flatMap((camera) => {
      const name = camera.spec.source.credentialsRef?.name;
      if (name === undefined || camera.spec.suspend === true) return [];
      const key = `${camera.metadata.namespace}/${name}`;
      return [{ camera: fullNameOf(camera), key, generation: String(camera.metadata.generation ?? 0) }];
    });
    const changed = referring.filter(
      ({ camera, key, generation }) => this.#seen.get(camera) !== `${generation} ${key}`,
    );
    this.#wanted = new Map(referring.map(({ camera, key }) => [camera, key]));
    this.#seen = new Map(referring.map(({ camera, key, generation }) => [camera, `${generation} ${key}`]));
    const wanted = new Set(this.#wanted.values());
    for (const key of this.#entries.keys()) if (!wanted.has(key)) this.#entries.delete(key);
    if (changed.length > 0) void this.#readAll(new Set(changed.map(({ key }) => key)));
  }

  get secrets(): ReadonlyMap<string, CameraSecret> {
    return this.#collect(({ good }) => good);
  }

  get problems(): ReadonlyMap<string, CredentialProblem> {
    return this.#collect(({ problem }) => problem);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  #collect<Value>(pick: (entry: Entry) => Value | undefined): ReadonlyMap<string, Value> {
    const found = new Map<string, Value>();
    for (const [camera, key] of this.#wanted) {
      const entry = this.#entries.get(key);
      const value = entry === undefined ? undefined : pick(entry);
      if (value !== undefined) found.set(camera, value);
    }
    return found;
  }

  /** One after the other: a house has few, and a thousand at once would be a flood. */
  async #readAll(keys: ReadonlySet<string>): Promise<void> {
    for (const key of keys) {
      if (this.#isClosed) return;
      await this.#readOne(key);
    }
  }

  async #readOne(key: string): Promise<void> {
    const [namespace = '', name = ''] = key.split('/');
    const before = this.#entries.get(key);
    const next = await this.#fetch(namespace, name, before);
    const isWanted = [...this.#wanted.values()].includes(key);
    if (this.#isClosed || !isWanted || next === undefined) return;
    if (JSON.stringify(next) === JSON.stringify(before)) return;
    this.#entries.set(key, next);
    this.#options.onChange();
  }

  async #fetch(namespace: string, name: string, before: Entry | undefined): Promise<Entry | undefined> {
    const good = before?.good === undefined ? {} : { good: before.good };
    try {
      const { status, body } = await this.#options.read(namespace, name);
      if (status === 404) return { ...good, problem: 'SecretNotFound' };
      if (status !== 200) return { ...good, problem: 'SecretUnreadable' };
      const read = readCameraSecret(body);
      if (typeof read === 'string') return { ...good, problem: read };
      return { good: read };
    } catch {
      // The API server does not answer: that says nothing about the Secret.
      return before;
    }
  }
}
