/**
 * The trust folder, live: `ca.crt` (PEM, self-signed certificates) and `deny.txt` (may be missing), as a person edits them
 * or as Kubernetes mounts them (a `..data` link that is swapped), united with what TrustBundles say.
 */
import { readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { type TrustSet, emptyTrust } from '../protocol/trust.ts';
import { within } from './clock.ts';
import { type FileNotice, noticeFiles } from './file-notice.ts';
import { ConfigError } from '../crds/config-error.ts';
import type { BundleTexts } from './control/trust-sources.ts';
import type { EmitEvent } from './events.ts';
import { type TrustReading, mergeTrust } from './trust-merge.ts';

/** The trust set of now, and word of each next one. */
export interface LiveTrust {
  readonly current: TrustSet;
  /** Called after `current` has changed; returns what stops that. */
  onChange(listener: (trust: TrustSet) => void): () => void;
}

export interface WatchedTrust extends LiveTrust {
  /** Other TrustBundles from now on. */
  setBundles(bundles: readonly BundleTexts[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * Two looks must see the same before it is read, so that nothing half-written is. The second follows the first that sees a
 * change at once, and the kernel tells when to look, if it can: a change applies in a fifth of a second, or else in half a one.
 */
const lookEveryMs = 200;
const settleMs = 100;
/** What the folder has for us; Kubernetes swaps `..data`. */
const namesOfFolder = ['ca.crt', 'deny.txt', '..data'] as const;
const maxFileBytes = 1 << 20;
/** Its file system may hang. */
const closeLimitMs = 5000;

/**
 * Reads the trust set and keeps it up to date.
 *
 * @param place a folder, a PEM file of anchors, or undefined where the bundles are all there is
 * @throws ConfigError where something cannot be read at the start; later it keeps what it had, and says so
 */
export async function watchTrust(
  place: string | undefined,
  bundles: readonly BundleTexts[],
  emit: EmitEvent,
): Promise<WatchedTrust> {
  const watcher = new TrustWatcher(place, bundles, emit);
  await watcher.open();
  return watcher;
}

class TrustWatcher implements WatchedTrust {
  readonly #place: string | undefined;
  readonly #emit: EmitEvent;
  readonly #listeners = new Set<(trust: TrustSet) => void>();
  #bundles: readonly BundleTexts[];
  #current: TrustSet = emptyTrust;
  /** What the files looked like when they were read, and at the last look. */
  #readLook = '';
  #lastLook = '';
  #lastProblem = '';
  #timer: NodeJS.Timeout | undefined;
  #notice: FileNotice | undefined;
  /** The last look saw a change that is not settled. */
  #isUnsettled = false;
  #working: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(place: string | undefined, bundles: readonly BundleTexts[], emit: EmitEvent) {
    this.#place = place;
    this.#bundles = bundles;
    this.#emit = emit;
  }

  get current(): TrustSet {
    return this.#current;
  }

  onChange(listener: (trust: TrustSet) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async open(): Promise<void> {
    this.#readLook = await lookAt(this.#place);
    const { trust, problems } = mergeTrust(emptyTrust, await this.#read());
    if (problems.length > 0) throw new ConfigError(problems.map((message) => ({ message })));
    this.#apply(trust);
    if (this.#place === undefined) return;
    this.#notice = noticeFiles(this.#place, namesOfFolder, () => this.#lookSoon());
    this.#lookLater();
  }

  async setBundles(bundles: readonly BundleTexts[]): Promise<void> {
    this.#bundles = bundles;
    this.#working = this.#working.then(() => this.#readAndApply());
    await this.#working;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#notice?.close();
    this.#listeners.clear();
    await within(this.#working, closeLimitMs);
  }

  /** While a look is under way, it is followed by the next one as soon as it finds a change. */
  #lookSoon(): void {
    if (this.#timer === undefined || this.#isUnsettled) return;
    clearTimeout(this.#timer);
    this.#lookLater(0);
  }

  #lookLater(afterMs = this.#isUnsettled ? settleMs : lookEveryMs): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#working = this.#working.then(() => this.#look()).finally(() => this.#lookLater());
    }, afterMs);
    // The watch alone keeps no process alive.
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const look = await lookAt(this.#place);
    const isSettled = look === this.#lastLook;
    this.#lastLook = look;
    this.#isUnsettled = look !== this.#readLook && !isSettled;
    if (look === this.#readLook || !isSettled) return;
    this.#readLook = look;
    await this.#readAndApply();
  }

  async #readAndApply(): Promise<void> {
    const { trust, problems } = mergeTrust(this.#current, await this.#read());
    if (this.#isClosed) return;
    const problem = problems.join('; ');
    if (problem !== '' && problem !== this.#lastProblem) {
      const message = `${problem}. Anchors stay as they were; what can be read of the deny list counts.`;
      this.#emit({ event: 'warning', reason: 'trust-unreadable', message });
    }
    this.#lastProblem = problem;
    this.#apply(trust);
  }

  #apply(trust: TrustSet): void {
    if (isSameTrust(this.#current, trust)) return;
    this.#current = trust;
    const denied = trust.deniedKeys.size + trust.deniedIds.size;
    const message = trust.anchors.map(({ subject }) => subject).join(', ');
    this.#emit({ event: 'trust', anchors: trust.anchors.length, denied, message });
    for (const listener of this.#listeners) listener(trust);
  }

  async #read(): Promise<readonly TrustReading[]> {
    const bundles = this.#bundles.map((bundle) => ({ ...bundle, isAnchorless: true }));
    return this.#place === undefined ? bundles : [await readPlace(this.#place), ...bundles];
  }
}

/** Changes whenever a file was written or replaced, also by a swap of `..data`. */
async function lookAt(place: string | undefined): Promise<string> {
  if (place === undefined) return '';
  const looks = await Promise.all(
    [place, path.join(place, 'ca.crt'), path.join(place, 'deny.txt')].map((file) => lookAtFile(file)),
  );
  return looks.join(' ');
}

async function lookAtFile(file: string): Promise<string> {
  try {
    const { ino, size, mtimeMs, mode } = await stat(file);
    return `${ino}:${size}:${mtimeMs}:${mode}`;
  } catch (error) {
    return errorCode(error);
  }
}

async function readPlace(place: string): Promise<TrustReading> {
  let origin = place;
  try {
    if (!(await stat(place)).isDirectory()) {
      return { origin, anchorsPem: await readSmallFile(place), denyText: '' };
    }
    const folder = await settledFolder(place);
    origin = path.join(place, 'deny.txt');
    const denyText = await readSmallFile(path.join(folder, 'deny.txt'), '');
    origin = path.join(place, 'ca.crt');
    return await readAnchorsBeside(denyText, path.join(folder, 'ca.crt'), origin);
  } catch (error) {
    return { origin, anchorsPem: '', denyText: '', problem: `cannot be read: ${errorCode(error)}` };
  }
}

/** Denying must not wait for a `ca.crt` that can be read: it is then an empty one, which is a problem by itself. */
async function readAnchorsBeside(denyText: string, file: string, origin: string): Promise<TrustReading> {
  try {
    return { origin, anchorsPem: await readSmallFile(file), denyText };
  } catch (error) {
    return { origin: `${origin} (${errorCode(error)})`, anchorsPem: '', denyText };
  }
}

/** Both files out of one swap. */
async function settledFolder(place: string): Promise<string> {
  try {
    return await realpath(path.join(place, '..data'));
  } catch {
    return place;
  }
}

/** @param whenMissing what a file that is not there says; without it that is an error */
async function readSmallFile(file: string, whenMissing?: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > maxFileBytes) throw new Error(`${size} bytes are above ${maxFileBytes}`);
    return await readFile(file, 'utf8');
  } catch (error) {
    if (whenMissing !== undefined && errorCode(error) === 'ENOENT') return whenMissing;
    throw error;
  }
}

function errorCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.message : String(error);
}

function isSameTrust(a: TrustSet, b: TrustSet): boolean {
  const describe = ({ anchors, deniedKeys, deniedIds }: TrustSet) =>
    [...anchors.map(({ sha256 }) => sha256), ...[...deniedKeys, ...deniedIds].sort()].join(' ');
  return describe(a) === describe(b);
}
