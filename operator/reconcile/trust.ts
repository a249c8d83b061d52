/** The trust set of the home: the union of all TrustBundles and the issuing CA, and everything that is denied. Decides only; pure. */
import type { TrustBundle, TrustBundleStatus } from '../../crds/trust-bundle.ts';
import type { Anchor } from '../../protocol/anchors.ts';
import { compareCodePoints } from '../../protocol/identifiers.ts';
import { encodePem } from '../../protocol/pem.ts';
import type { ReasonNote } from './condition-reasons.ts';
import { stampConditions, verdictsOf, type Verdict } from './conditions.ts';
import { present } from '../../crds/present.ts';
import { trustBundleReasons } from './trust-reasons.ts';
import type { UnreadableBundle } from './bundle-reading.ts';
import { readBundle, type BundleReading, type ReadSource } from './trust-sources.ts';

const verdict = verdictsOf(trustBundleReasons);

/** What is known when it is decided. */
export interface TrustInput {
  readonly nowMs: number;
  readonly bundles: readonly TrustBundle[];
  /** Bundles that this version cannot read. */
  readonly unreadable?: readonly UnreadableBundle[];
  /** Why the CA's Secret does not serve: the CA of before issues while the operator runs. */
  readonly authorityProblem?: AuthorityProblem;
  readonly read: ReadSource;
  /** The CA that issues. */
  readonly issuing: Anchor;
  /** What agents have now, from the Secret. */
  readonly previous: readonly Anchor[];
  /** Until when a certificate that nobody names any more is kept, in Unix milliseconds by its hash. */
  readonly retained: ReadonlyMap<string, number>;
  /** Certificates in use by the anchor that signed them. */
  readonly uses: ReadonlyMap<string, number>;
  /** Keys that the ledger denies. */
  readonly deniedKeys: readonly string[];
  /** `3/3` of those who have the present set. */
  readonly synced: string;
}

/** What is wrong with the Secret of the CA. */
export interface AuthorityProblem {
  readonly reason: 'CAMissing' | 'CANotSelfSigned' | 'CAInvalid';
  readonly message: string;
}

export interface TrustDecision {
  readonly anchors: readonly Anchor[];
  readonly anchorsPem: string;
  readonly denyText: string;
  readonly retained: ReadonlyMap<string, number>;
  readonly statuses: ReadonlyMap<string, TrustBundleStatus>;
}

/** A certificate that something still uses is kept for as long as what was issued under it may live. */
export const retainMs = 30 * 86_400_000;

/** The set, its texts, and what each bundle's status should say. */
export function decideTrust(input: TrustInput): TrustDecision {
  const { unreadable = [] } = input;
  const readings = limit(
    input.bundles.map((bundle) => ({ bundle, reading: readBundle(bundle, input.read) })),
    input.issuing,
  );
  const denied = listDenied(input);
  const named = unite([input.issuing], ...readings.map(({ reading }) => reading.anchors));
  const isFrozen = unreadable.length > 0 || readings.some(({ reading }) => reading.problem !== undefined);
  const retained = isFrozen ? input.retained : retain(named, input);
  const kept = input.previous.filter(({ sha256 }) => isFrozen || retained.has(sha256));
  // While a source cannot be read nobody knows what was to be added or removed: what was trusted stays.
  const whole = isFrozen && input.previous.length > 0 ? unite([input.issuing], kept) : unite(named, kept);
  const anchors = whole.filter(({ spkiSha256 }) => !denied.has(spkiSha256));
  return {
    anchors,
    anchorsPem: anchors.map(showAnchor).join(''),
    denyText: [...denied]
      .toSorted(compareCodePoints)
      .map((entry) => `${entry}\n`)
      .join(''),
    retained,
    statuses: new Map([
      ...readings.map(
        ({ bundle, reading }) =>
          [bundle.metadata.name, decideStatus({ bundle, reading, denied, retained }, input)] as const,
      ),
      ...unreadable.map((bundle) => [bundle.name, describeUnreadable(bundle, input.nowMs)] as const),
    ]),
  };
}

/** As many as agents read. */
const maxAnchors = 64;
const maxDenied = 10_000;

/** Certificates of all bundles together are bounded: one that goes beyond counts as wrong, and the others do not suffer. */
function limit(readings: readonly BundleOf[], issuing: Anchor): readonly BundleOf[] {
  const all = new Set([issuing.sha256]);
  return readings.map(({ bundle, reading }) => {
    const more = reading.anchors.filter(({ sha256 }) => !all.has(sha256));
    if (all.size + more.length > maxAnchors) {
      const message = `with it ${all.size + more.length} certificates would be trusted, above ${maxAnchors}`;
      return { bundle, reading: { anchors: [], problem: { reason: 'TooLarge', message } } };
    }
    for (const { sha256 } of more) all.add(sha256);
    return { bundle, reading };
  });
}

interface BundleOf {
  readonly bundle: TrustBundle;
  readonly reading: BundleReading;
}

function describeUnreadable(bundle: UnreadableBundle, nowMs: number): TrustBundleStatus {
  const { generation, conditions, message } = bundle;
  const now = new Date(nowMs).toISOString();
  return {
    ...present({ observedGeneration: generation }),
    conditions: stampConditions([verdict('Ready', 'Invalid', message)], conditions, { generation, now }),
  };
}

function unite(...lists: readonly (readonly Anchor[])[]): readonly Anchor[] {
  return [...new Map(lists.flat().map((anchor) => [anchor.sha256, anchor])).values()];
}

function listDenied({ bundles, unreadable = [], deniedKeys }: TrustInput): ReadonlySet<string> {
  const entries = bundles.flatMap(({ spec }) =>
    (spec.deny ?? []).flatMap(({ sha256, identifier }) => sha256 ?? identifier ?? []),
  );
  // What people wrote comes first where it is too much for agents to read.
  const all = new Set([...entries, ...unreadable.flatMap(({ denied }) => denied), ...deniedKeys]);
  return new Set([...all].slice(0, maxDenied));
}

/** Of what agents have and nobody names any more: what is used, until its time is over. */
function retain(named: readonly Anchor[], input: TrustInput): ReadonlyMap<string, number> {
  const names = new Set(named.map(({ sha256 }) => sha256));
  const kept = input.previous.flatMap(({ sha256 }): readonly (readonly [string, number])[] => {
    if (names.has(sha256) || (input.uses.get(sha256) ?? 0) === 0) return [];
    const untilMs = input.retained.get(sha256) ?? input.nowMs + retainMs;
    return untilMs > input.nowMs ? [[sha256, untilMs]] : [];
  });
  return new Map(kept);
}

interface Judged {
  readonly bundle: TrustBundle;
  readonly reading: BundleReading;
  readonly denied: ReadonlySet<string>;
  readonly retained: ReadonlyMap<string, number>;
}

function decideStatus(judged: Judged, input: TrustInput): TrustBundleStatus {
  const { bundle, reading } = judged;
  const { generation } = bundle.metadata;
  const now = new Date(input.nowMs).toISOString();
  const before = bundle.status?.anchors ?? [];
  const own = new Set(reading.anchors.map(({ sha256 }) => sha256));
  const gone = before.filter(({ sha256 }) => !own.has(sha256) && judged.retained.has(sha256));
  const described = [
    ...reading.anchors.map((anchor) => describeAnchor(anchor, input)),
    ...gone.map((entry) => ({
      ...entry,
      uses: input.uses.get(entry.sha256) ?? 0,
      safeToRemove: false,
      retainedUntil: new Date(judged.retained.get(entry.sha256) ?? 0).toISOString(),
    })),
  ];
  const ready = decideReady(judged, gone.length > 0, input.authorityProblem);
  return {
    ...present({ observedGeneration: generation }),
    anchorCount: reading.anchors.length,
    synced: input.synced,
    anchors: described.toSorted((a, b) => compareCodePoints(a.sha256, b.sha256)),
    conditions: stampConditions([ready], bundle.status?.conditions, { generation, now }),
  };
}

function decideReady(
  { reading, denied }: Judged,
  hasRetained: boolean,
  authorityProblem: AuthorityProblem | undefined,
): Verdict {
  const { problem, anchors } = reading;
  if (problem !== undefined) {
    const note: ReasonNote = trustBundleReasons.Ready[problem.reason];
    return verdict('Ready', problem.reason, `${problem.message}. ${note.todo ?? ''}`);
  }
  const refused = anchors.find(({ spkiSha256 }) => denied.has(spkiSha256));
  if (refused !== undefined) {
    const { todo } = trustBundleReasons.Ready.AnchorDenied;
    return verdict('Ready', 'AnchorDenied', `${refused.subject} is denied: denying wins. ${todo}`);
  }
  if (authorityProblem !== undefined) {
    return verdict('Ready', authorityProblem.reason, authorityProblem.message);
  }
  return verdict('Ready', hasRetained ? 'Retained' : 'Trusted');
}

function describeAnchor({ sha256, subject, notAfterMs }: Anchor, { uses, issuing }: TrustInput) {
  const count = uses.get(sha256) ?? 0;
  return {
    sha256,
    subject: subject.slice(0, 1024),
    notAfter: new Date(notAfterMs).toISOString(),
    uses: count,
    safeToRemove: count === 0 && sha256 !== issuing.sha256,
  };
}

function showAnchor({ der, subject }: Anchor): string {
  return `# ${subject.replaceAll(/[^\x20-\x7e]/g, '?')}\n${encodePem('CERTIFICATE', der)}`;
}
