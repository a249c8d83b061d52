/** What was issued, to whom, until when: what has no resource or assignment any more is denied until it expires. Pure. */
import { z } from 'zod';

const entry = z.object({
  /** SubjectPublicKeyInfo in base64: renewals need no new request. */
  spki: z.string(),
  spkiSha256: z.string(),
  id: z.string(),
  /** The server's name or the client's `namespace/name`. */
  name: z.string(),
  /** Who holds the key: itself, or the bridge of a camera. */
  holder: z.string(),
  notAfterMs: z.number(),
  /** SHA-256 of the CA certificate that signed it. */
  anchor: z.string(),
  /** Its holder has another key for this name since. */
  isSuperseded: z.boolean().optional(),
});

export type LedgerEntry = z.output<typeof entry>;

/** By SPKI hash, name and CA: what an older CA signed lives on until it expires, as sessions may have begun with it. */
export type Ledger = ReadonlyMap<string, LedgerEntry>;

/** Reads the ConfigMap's `issued.jsonl`; a line that cannot be read is no entry. */
export function parseLedger(text: string): Ledger {
  const lines = text.split('\n').flatMap((line) => entry.safeParse(parseJson(line)).data ?? []);
  return new Map(lines.map((each) => [keyOf(each), each]));
}

/** The lines, sorted: the same ledger is the same text. */
export function formatLedger(ledger: Ledger): string {
  const lines = [...ledger].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => JSON.stringify(each));
  return lines.map((line) => `${line}\n`).join('');
}

/** With one more, and without what has expired. A holder has one key a name: the one before was on a disk that is gone. */
export function withEntry(ledger: Ledger, added: LedgerEntry, nowMs: number): Ledger {
  const next = new Map<string, LedgerEntry>();
  for (const [key, each] of ledger) {
    if (each.notAfterMs <= nowMs) continue;
    const isBefore =
      each.name === added.name && each.holder === added.holder && each.spkiSha256 !== added.spkiSha256;
    next.set(key, isBefore ? { ...each, isSuperseded: true } : each);
  }
  return next.set(keyOf(added), added);
}

/** Whether an entry is worth renewing. */
export function isCurrent({ isSuperseded, notAfterMs }: LedgerEntry, nowMs: number): boolean {
  return isSuperseded !== true && notAfterMs > nowMs;
}

/** Whether somebody may still hold a certificate: the resource is there under this identifier, and assigned to the holder. */
export type IsAssigned = (entry: LedgerEntry) => boolean;

/** Keys to deny now. */
export function deniedKeysOf(ledger: Ledger, isAssigned: IsAssigned, nowMs: number): readonly string[] {
  const good = new Set<string>();
  const stale = new Set<string>();
  for (const each of ledger.values()) {
    if (each.notAfterMs <= nowMs) continue;
    (each.isSuperseded !== true && isAssigned(each) ? good : stale).add(each.spkiSha256);
  }
  // Denying goes by key: one that is good for a name is not denied for another.
  return [...stale].filter((key) => !good.has(key)).toSorted();
}

/** Certificates that have not expired, by the anchor that signed them: what was renewed since may still be in use. */
export function usesOf(ledger: Ledger, isAssigned: IsAssigned, nowMs: number): ReadonlyMap<string, number> {
  const uses = new Map<string, number>();
  for (const each of ledger.values()) {
    if (isCurrent(each, nowMs) && isAssigned(each)) uses.set(each.anchor, (uses.get(each.anchor) ?? 0) + 1);
  }
  return uses;
}

function keyOf({ spkiSha256, name, anchor }: LedgerEntry): string {
  return `${spkiSha256} ${name} ${anchor}`;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
