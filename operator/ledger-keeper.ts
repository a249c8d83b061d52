/** The ledger in its ConfigMap: read once, written before a certificate is handed out, many entries in one write. */
import { z } from 'zod';
import { ledgerName } from '../crds/cluster.ts';
import { formatLedger, parseLedger, withEntry, type Ledger, type LedgerEntry } from './issue/ledger.ts';
import type { KubeConnection } from './kube/connection.ts';
import { configMaps } from './kube/kinds.ts';
import { applyObject, getObject } from './kube/objects.ts';

const dataKey = 'issued.jsonl';
const stored = z.object({ data: z.record(z.string(), z.string()).optional() });

export class LedgerKeeper {
  readonly #connection: KubeConnection;
  readonly #namespace: string;
  #ledger: Ledger;
  #writing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  private constructor(connection: KubeConnection, namespace: string, ledger: Ledger) {
    this.#connection = connection;
    this.#namespace = namespace;
    this.#ledger = ledger;
  }

  /** Reads what operators before have issued. */
  static async open(connection: KubeConnection, namespace: string): Promise<LedgerKeeper> {
    const raw = await getObject(connection, { kind: configMaps, name: ledgerName, namespace });
    const text = raw === undefined ? '' : (stored.parse(raw).data?.[dataKey] ?? '');
    return new LedgerKeeper(connection, namespace, parseLedger(text));
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  /** Resolves when the entry is kept. What comes while a write is under way is written together, by the next one. */
  async add(entry: LedgerEntry): Promise<void> {
    this.#ledger = withEntry(this.#ledger, entry, Date.now());
    this.#next ??= this.#writing.then(() => {
      this.#next = undefined;
      this.#writing = this.#write();
      return this.#writing;
    });
    await this.#next;
  }

  async #write(): Promise<void> {
    const metadata = { name: ledgerName, namespace: this.#namespace };
    const data = { [dataKey]: formatLedger(this.#ledger) };
    await applyObject(this.#connection, configMaps, { metadata, data });
  }
}
