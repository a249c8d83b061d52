/** The trust set that operator and mounted folder agree on by number: the higher revision is what the agent's own folder holds. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TrustTexts } from '../../crds/operator-messages.ts';
import { parseTrust, uniteTrust, type TrustSet } from '../../protocol/trust.ts';
import { readIfThere, replaceFile } from './operator-files.ts';

/** Kubernetes takes a minute to update what it mounted anyway. */
const lookEveryMs = 1000;

export class OperatorTrust {
  readonly #folder: string;
  readonly #mounted: string | undefined;
  readonly #onProblem: (message: string) => void;
  readonly #closing = new AbortController();
  #texts: TrustTexts = { revision: 0, anchorsPem: '', denyText: '' };
  #set: TrustSet | undefined;
  #working: Promise<void> = Promise.resolve();
  #lookedAt = '';
  #told = '';

  /**
   * @param folder the agent's own: `ca.crt`, `deny.txt`, `revision`
   * @param mounted another one that somebody else writes
   */
  constructor(folder: string, mounted: string | undefined, onProblem: (message: string) => void) {
    this.#folder = folder;
    this.#mounted = mounted;
    this.#onProblem = onProblem;
  }

  /** 0: none. */
  get revision(): number {
    return this.#texts.revision;
  }

  /** Undefined before anything was taken. */
  get set(): TrustSet | undefined {
    return this.#set;
  }

  /** The same with further anchors, in PEM, which the deny list counts for too. */
  with(anchorsPem: string | undefined): TrustSet | undefined {
    if (anchorsPem === undefined) return this.#set;
    const more = parseTrust({ anchorsPem, denyText: '' });
    if (!more.ok) throw new Error(`reading the CA certificate: ${more.detail}`);
    return this.#set === undefined ? more.value : uniteTrust(this.#set, more.value);
  }

  async open(): Promise<void> {
    await this.#adopt(await readFolder(this.#folder));
    if (this.#mounted === undefined) return;
    await this.#look(this.#mounted);
    void this.#follow(this.#mounted);
  }

  /** Takes it where it is newer and can be read; on disk when this resolves. */
  async take(texts: TrustTexts): Promise<void> {
    const taking = this.#working.then(async () => this.#take(texts));
    // What failed once is told by whoever waits for it, and must not hold up the next.
    this.#working = taking.catch(() => undefined);
    await taking;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#working;
  }

  async #take(texts: TrustTexts): Promise<void> {
    if (texts.revision <= this.#texts.revision && this.#set !== undefined) return;
    if (!(await this.#adopt(texts))) return;
    // Denying first: whoever reads between the two has at most one anchor too few.
    await replaceFile(path.join(this.#folder, 'deny.txt'), texts.denyText);
    await replaceFile(path.join(this.#folder, 'ca.crt'), texts.anchorsPem);
    await replaceFile(path.join(this.#folder, 'revision'), `${texts.revision}\n`);
  }

  async #adopt(texts: TrustTexts | undefined): Promise<boolean> {
    if (texts === undefined) return false;
    const trust = parseTrust(texts);
    if (!trust.ok) {
      this.#onProblem(`trust set ${texts.revision} cannot be used: ${trust.detail}`);
      return false;
    }
    this.#texts = texts;
    this.#set = trust.value;
    return true;
  }

  async #follow(mounted: string): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await sleep(lookEveryMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      await this.#look(mounted).catch((error: unknown) => {
        this.#lookedAt = '';
        const why = error instanceof Error ? error.message : 'it failed';
        // Once a second it is tried again.
        if (why !== this.#told) this.#onProblem(`taking the trust set of ${mounted}: ${why}`);
        this.#told = why;
      });
    }
  }

  async #look(mounted: string): Promise<void> {
    const revision = (await readIfThere(path.join(mounted, 'revision'))) ?? '';
    if (revision === this.#lookedAt) return;
    const texts = await readFolder(mounted);
    if (texts === undefined) return;
    this.#lookedAt = revision;
    await this.take(texts);
  }
}

/** Undefined where the folder says nothing of use, or changed while it was read. */
async function readFolder(folder: string): Promise<TrustTexts | undefined> {
  const read = async (name: string) => readIfThere(path.join(folder, name));
  const before = await read('revision');
  const [anchorsPem, denyText = ''] = [await read('ca.crt'), await read('deny.txt')];
  const revision = Number((await read('revision'))?.trim() ?? Number.NaN);
  if (anchorsPem === undefined || !Number.isSafeInteger(revision)) return undefined;
  return before === (await read('revision')) ? { revision, anchorsPem, denyText } : undefined;
}
