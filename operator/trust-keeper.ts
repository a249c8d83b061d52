/** Keeps the home's trust set as TrustBundles, CA and ledger say: in the Secret that agents mount, and on live sessions. */
import { z } from 'zod';
import { caSecretName, trustSecretName } from '../crds/cluster.ts';
import type { TrustTexts } from '../crds/operator-messages.ts';
import { parseAnchors, type Anchor } from '../protocol/anchors.ts';
import type { KeyedCertificate } from '../protocol/issuing.ts';
import { parseTrust, type TrustSet } from '../protocol/trust.ts';
import type { Agents } from './agents.ts';
import { judgeAuthority } from './issue/authority-rules.ts';
import { assignmentsOf } from './issue/assignments.ts';
import { deniedKeysOf, usesOf } from './issue/ledger.ts';
import type { KubeConnection } from './kube/connection.ts';
import { watchResources, type Informer } from './kube/informer.ts';
import { configMaps, secrets, trustBundles } from './kube/kinds.ts';
import { applyObject } from './kube/objects.ts';
import type { LedgerKeeper } from './ledger-keeper.ts';
import { present } from '../crds/present.ts';
import { isUnreadable, readTrustBundle } from './reconcile/bundle-reading.ts';
import type { StatusDecision } from './reconcile/pass.ts';
import type { Survey } from './reconcile/survey.ts';
import {
  decideTrust,
  type AuthorityProblem,
  type TrustDecision,
  type TrustInput,
} from './reconcile/trust.ts';
import { decode, encode, keyOfSecret } from './specs/trust-secret.ts';

export interface TrustKeeperOptions {
  readonly connection: KubeConnection;
  readonly namespace: string;
  readonly authority: KeyedCertificate;
  readonly agents: Agents;
  readonly ledger: LedgerKeeper;
  readonly survey: () => Survey | undefined;
  readonly write: (decision: StatusDecision) => void;
  /** A bundle with what we wrote last, while the watch is behind. */
  readonly overlay: (bundle: object) => object;
  /** The set or the CA is another one now. */
  readonly onChange: (what: { readonly isNewAuthority: boolean }) => void;
  readonly onProblem: (reason: string, message: string) => void;
}

/** What changes together is decided once. */
const gatherMs = 150;

export class TrustKeeper {
  readonly #options: TrustKeeperOptions;
  readonly #bundles: Informer;
  readonly #secrets: Informer;
  readonly #configMaps: Informer;
  #authority: KeyedCertificate;
  #authorityProblem: AuthorityProblem | undefined;
  #texts: TrustTexts = { revision: 0, anchorsPem: '', denyText: '' };
  #set: TrustSet = { anchors: [], deniedKeys: new Set(), deniedIds: new Set() };
  #retained: ReadonlyMap<string, number> = new Map();
  /** What was written last, and what the watch showed at that time. */
  #written: { readonly text: string; readonly present: string } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #working = Promise.resolve();
  #isClosed = false;

  constructor(options: TrustKeeperOptions) {
    this.#options = options;
    this.#authority = options.authority;
    const { connection, namespace } = options;
    const onChange = (): void => this.notify();
    this.#bundles = watchResources({ connection, kind: trustBundles, onChange });
    this.#secrets = watchResources({ connection, kind: secrets, namespace, onChange });
    this.#configMaps = watchResources({ connection, kind: configMaps, namespace, onChange });
  }

  get isSynced(): boolean {
    return [this.#bundles, this.#secrets, this.#configMaps].every(({ isSynced }) => isSynced);
  }

  get authority(): KeyedCertificate {
    return this.#authority;
  }

  /** What agents are to have. */
  get texts(): TrustTexts {
    return this.#texts;
  }

  get trust(): TrustSet {
    return this.#set;
  }

  get bundles(): readonly object[] {
    return this.#bundles.list();
  }

  bundle(name: string): object | undefined {
    return this.#bundles.get(name);
  }

  /** Reads what operators before have left, and decides for the first time. Call it when everything is synced. */
  async start(): Promise<void> {
    const secret = this.#secretData(trustSecretName);
    this.#retained = readRetained(secret.get('retained.json'));
    const revision = Number(secret.get('revision') ?? 0);
    this.#take({
      revision: Number.isSafeInteger(revision) ? revision : 0,
      anchorsPem: secret.get('ca.crt') ?? '',
      denyText: secret.get('deny.txt') ?? '',
    });
    await this.#decide();
  }

  notify(): void {
    if (this.#isClosed || !this.isSynced) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#working = this.#working.then(() => this.#decide());
    }, gatherMs);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const informer of [this.#bundles, this.#secrets, this.#configMaps]) informer.close();
    await this.#working;
  }

  async #decide(): Promise<void> {
    try {
      this.#checkAuthority();
      const decision = this.#judge();
      if (decision === undefined) return;
      for (const [key, status] of decision.statuses)
        this.#options.write({ kind: 'TrustBundle', key, status });
      await this.#keep(decision);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#options.onProblem('Trust', message);
      if (!this.#isClosed) setTimeout(() => this.notify(), 5000).unref();
    }
  }

  /** The CA's Secret was replaced: from now on the new one issues. One that is gone or wrong changes nothing while we run. */
  #checkAuthority(): void {
    const { namespace, onChange, onProblem } = this.#options;
    const secret = this.#secrets.get(keyOfSecret(namespace, caSecretName));
    const verdict = judgeAuthority(secret, ['agents']);
    if (verdict.kind === 'refuse' && verdict.message !== this.#authorityProblem?.message) {
      onProblem(verdict.reason, verdict.message);
    }
    this.#authorityProblem = verdict.kind === 'refuse' ? verdict : undefined;
    if (verdict.kind !== 'use' || verdict.authority.certificatePem === this.#authority.certificatePem) return;
    this.#authority = verdict.authority;
    onChange({ isNewAuthority: true });
  }

  #judge(): TrustDecision | undefined {
    const { survey, ledger, agents } = this.#options;
    const issuing = anchorOf(this.#authority);
    if (issuing === undefined) return undefined;
    const nowMs = Date.now();
    const known = survey();
    const isAssigned = assignmentsOf(known);
    const has = agents.trustRevisions();
    return decideTrust({
      nowMs,
      ...this.#readBundles(),
      ...present({ authorityProblem: this.#authorityProblem }),
      read: (kind, name, key) => this.#readSource(kind, name, key),
      issuing,
      previous: this.#set.anchors,
      retained: this.#retained,
      uses: larger(usesOf(ledger.ledger, isAssigned, nowMs), agents.reportedUses()),
      // Before the home was looked at nobody knows what is assigned: who was denied stays denied.
      deniedKeys:
        known === undefined ? [...this.#set.deniedKeys] : deniedKeysOf(ledger.ledger, isAssigned, nowMs),
      synced: `${has.filter((revision) => revision >= this.#texts.revision).length}/${has.length}`,
    });
  }

  #readBundles(): Pick<TrustInput, 'bundles' | 'unreadable'> {
    const read = this.#bundles.list().map((raw) => readTrustBundle(this.#options.overlay(raw)));
    return {
      bundles: read.flatMap((each) => (isUnreadable(each) ? [] : each)),
      unreadable: read.filter(isUnreadable),
    };
  }

  async #keep({ anchorsPem, denyText, retained }: TrustDecision): Promise<void> {
    this.#retained = retained;
    if (anchorsPem !== this.#texts.anchorsPem || denyText !== this.#texts.denyText) {
      const revision = Math.max(this.#texts.revision + 1, Date.now());
      // First those who are connected: an API server that is down must not hold up a denial.
      this.#take({ revision, anchorsPem, denyText });
      this.#options.onChange({ isNewAuthority: false });
    }
    await this.#write();
  }

  /** Writes the Secret where it says something else: a write that failed, or somebody's own hand. */
  async #write(): Promise<void> {
    const { revision, anchorsPem, denyText } = this.#texts;
    const wanted = {
      'ca.crt': anchorsPem,
      'deny.txt': denyText,
      revision: String(revision),
      'retained.json': JSON.stringify(Object.fromEntries(this.#retained)),
    };
    const there = this.#secretData(trustSecretName);
    const text = JSON.stringify(wanted);
    const isThere = Object.entries(wanted).every(([key, value]) => there.get(key) === value);
    // The watch tells of our own write a little later.
    if (isThere || (this.#written?.text === text && this.#written.present === describe(there))) return;
    const { connection, namespace } = this.#options;
    await applyObject(connection, secrets, {
      metadata: { name: trustSecretName, namespace },
      data: Object.fromEntries(Object.entries(wanted).map(([key, value]) => [key, encode(value)])),
    });
    this.#written = { text, present: describe(there) };
  }

  #take(texts: TrustTexts): void {
    const trust = parseTrust(texts);
    this.#texts = texts;
    if (trust.ok) this.#set = trust.value;
  }

  #readSource(kind: 'configMap' | 'secret', name: string, key: string): string | undefined {
    const { namespace } = this.#options;
    if (kind === 'secret') return this.#secretData(name).get(key);
    return configData.safeParse(this.#configMaps.get(keyOfSecret(namespace, name))).data?.data?.[key];
  }

  #secretData(name: string): ReadonlyMap<string, string> {
    const raw = this.#secrets.get(keyOfSecret(this.#options.namespace, name));
    const data = configData.safeParse(raw).data?.data ?? {};
    return new Map(Object.entries(data).map(([key, value]) => [key, decode(value)]));
  }
}

function describe(data: ReadonlyMap<string, string>): string {
  return JSON.stringify([...data]);
}

const configData = z.object({ data: z.record(z.string(), z.string()).optional() });

function anchorOf({ certificatePem }: KeyedCertificate): Anchor | undefined {
  const anchors = parseAnchors(certificatePem);
  return anchors.ok ? anchors.value[0] : undefined;
}

/** What was issued and what agents say that they use is mostly the same: the larger number counts. */
function larger(...maps: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const most = new Map<string, number>();
  for (const [anchor, count] of maps.flatMap((map) => [...map])) {
    most.set(anchor, Math.max(most.get(anchor) ?? 0, count));
  }
  return most;
}

function readRetained(text: string | undefined): ReadonlyMap<string, number> {
  if (text === undefined || text === '') return new Map();
  const read = z.record(z.string(), z.number()).safeParse(JSON.parse(text));
  return new Map(Object.entries(read.data ?? {}));
}
