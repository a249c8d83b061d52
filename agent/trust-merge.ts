/** What the sources of trust add up to, when some of them cannot be read. */
import { parseAnchors } from '../protocol/anchors.ts';
import { type TrustSet, emptyTrust, parseDenyList, uniteTrust } from '../protocol/trust.ts';

/** What one source says now. */
export interface TrustReading {
  /** For messages: a file, or a TrustBundle. */
  readonly origin: string;
  readonly anchorsPem: string;
  readonly denyText: string;
  /** It may have no anchors of its own: a TrustBundle that only denies. */
  readonly isAnchorless?: boolean;
  /** Why it could not be read; its texts are then empty. */
  readonly problem?: string;
}

export interface MergedTrust {
  readonly trust: TrustSet;
  /** One sentence each; not empty means that anchors are frozen. */
  readonly problems: readonly string[];
}

/**
 * The union of all sources. While one of them is broken, anchors stay what they were (removing one is graceful) and the deny
 * list only grows (denying is immediate), by every line that can be read.
 */
export function mergeTrust(previous: TrustSet, readings: readonly TrustReading[]): MergedTrust {
  const problems = readings.flatMap(({ problem, origin }) =>
    problem === undefined ? [] : [`${origin}: ${problem}`],
  );
  const sets = readings.map((reading) => parseReading(reading, problems));
  const union = uniteTrust(...sets);
  if (union.anchors.length === 0 && problems.length === 0) problems.push('no source has a certificate');
  if (problems.length === 0) return { trust: union, problems };
  const { deniedKeys, deniedIds } = uniteTrust(previous, union);
  return { trust: { anchors: previous.anchors, deniedKeys, deniedIds }, problems };
}

function parseReading(reading: TrustReading, problems: string[]): TrustSet {
  if (reading.problem !== undefined) return emptyTrust;
  const { origin, anchorsPem, denyText, isAnchorless = false } = reading;
  const mayBeEmpty = isAnchorless && anchorsPem.trim() === '';
  const anchors = mayBeEmpty ? { ok: true as const, value: [] } : parseAnchors(anchorsPem);
  const denied = parseDenyList(denyText);
  if (!anchors.ok) problems.push(`${origin}: ${anchors.detail} (${anchors.reason})`);
  if (!denied.ok) problems.push(`${origin}: ${denied.detail} (${denied.reason})`);
  return { anchors: anchors.ok ? anchors.value : [], ...(denied.ok ? denied.value : salvage(denyText)) };
}

/** The good lines of a list with a bad one. */
function salvage(denyText: string) {
  const sets = denyText.split('\n').map((line) => parseDenyList(line));
  return uniteTrust(...sets.flatMap((set) => (set.ok ? [{ ...emptyTrust, ...set.value }] : [])));
}
