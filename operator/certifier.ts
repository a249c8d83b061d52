/** Issues certificates: each is in the ledger before it is handed out, and renewed in time or when the CA is another one. */
import { createHash } from 'node:crypto';
import type { ClientId, ServerId } from '../protocol/identifiers.ts';
import { issueForKey, type KeyedCertificate } from '../protocol/issuing.ts';
import { parseAnchors } from '../protocol/anchors.ts';
import { isClientId, isServerId } from '../protocol/identifiers.ts';
import { isCurrent, type IsAssigned, type LedgerEntry } from './issue/ledger.ts';
import type { LedgerKeeper } from './ledger-keeper.ts';

export interface CertifierOptions {
  readonly authority: () => KeyedCertificate;
  readonly ledger: LedgerKeeper;
  readonly onIssued: (name: string, role: 'server' | 'client') => void;
}

export interface CertifiedSubject {
  readonly id: ServerId | ClientId;
  readonly name: string;
  /** Who has the key: itself, or the bridge of a camera. */
  readonly holder: string;
}

/** Of a server or client of a cluster. */
const leafDays = 30;
const renewBeforeMs = 10 * 86_400_000;
const dayMs = 86_400_000;

export class Certifier {
  readonly #options: CertifierOptions;

  constructor(options: CertifierOptions) {
    this.#options = options;
  }

  /** A certificate for a key that its holder has proved to have. */
  async certify({ id, name, holder }: CertifiedSubject, spki: Uint8Array): Promise<string> {
    const { authority, ledger, onIssued } = this.#options;
    const nowMs = Date.now();
    const issuing = authority();
    const pem = await issueForKey(issuing, { spki, id, name, nowMs, days: leafDays });
    await ledger.add({
      spki: Buffer.from(spki).toString('base64'),
      spkiSha256: createHash('sha256').update(spki).digest('hex'),
      id,
      name,
      holder,
      notAfterMs: nowMs + leafDays * dayMs,
      anchor: anchorHash(issuing),
    });
    onIssued(name, isServerId(id) ? 'server' : 'client');
    return pem;
  }

  /** New certificates for whatever `holder` has that runs out within ten days, or that another CA has signed. */
  async renew(
    holder: string,
    isAssigned: IsAssigned,
  ): Promise<readonly { readonly name: string; readonly pem: string }[]> {
    const anchor = anchorHash(this.#options.authority());
    const held = [...this.#options.ledger.ledger.values()].filter(
      (entry) => entry.holder === holder && isCurrent(entry, Date.now()) && isAssigned(entry),
    );
    // Of each key and name only the newest: an older CA's stays in the ledger until it expires.
    const newest = new Map(
      held.toSorted(byAge(anchor)).map((entry) => [`${entry.spkiSha256} ${entry.name}`, entry]),
    );
    const due = [...newest.values()].filter((entry) => isDue(entry, anchor, Date.now()));
    return Promise.all(
      due.flatMap((entry) => {
        const { id, name, spki } = entry;
        if (!isServerId(id) && !isClientId(id)) return [];
        return this.certify({ id, name, holder }, Buffer.from(spki, 'base64')).then((pem) => ({ name, pem }));
      }),
    );
  }
}

/** Oldest first, and what the present CA signed last of all. */
function byAge(anchor: string): (a: LedgerEntry, b: LedgerEntry) => number {
  const rank = (entry: LedgerEntry): number => (entry.anchor === anchor ? 1 : 0);
  return (a, b) => rank(a) - rank(b) || a.notAfterMs - b.notAfterMs;
}

function isDue({ notAfterMs, anchor }: LedgerEntry, issuing: string, nowMs: number): boolean {
  return notAfterMs > nowMs && (anchor !== issuing || notAfterMs - nowMs < renewBeforeMs);
}

function anchorHash({ certificatePem }: KeyedCertificate): string {
  const anchors = parseAnchors(certificatePem);
  return anchors.ok ? (anchors.value[0]?.sha256 ?? '') : '';
}
