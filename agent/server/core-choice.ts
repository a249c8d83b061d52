/** Where one client should be: the patent's comparison, and who is compared at all. Pure. */
import { type Preferences, type RankedServer, compareBoots, compareServers } from '../../protocol/ranking.ts';

/** A confirmed peer with a place that did not refuse this client lately. */
export interface CandidateServer extends RankedServer {
  readonly isHeld: boolean;
  readonly hasRequired: boolean;
}

/** The server that the client streams to. */
export interface CurrentServer extends RankedServer {
  /** Not draining, with all that the client requires, and the client is within its max. */
  readonly isEligible: boolean;
  readonly isDraining: boolean;
}

/**
 * The peer that this client should go to; undefined where it should stay.
 *
 * If we are not eligible, held-down peers are candidates after all others; if we drain, so are peers without all that the
 * client requires, last.
 *
 * @see [0082] to [0087], [0102] for `AnyValid`
 */
export function chooseServer(
  current: CurrentServer,
  candidates: readonly CandidateServer[],
  { weights, mode }: Preferences,
): CandidateServer | undefined {
  const open = candidates.filter((one) => isOpen(one, current));
  if (mode === 'AnyValid' && current.isEligible) {
    // Never to an earlier one, or two servers would send a client to and fro.
    return open.filter(({ boot }) => boot > current.boot).toSorted(compareBoots)[0];
  }
  const [best] = open.toSorted(
    (a, b) =>
      Number(b.hasRequired) - Number(a.hasRequired) ||
      Number(a.isHeld) - Number(b.isHeld) ||
      compareServers(a, b, weights),
  );
  if (best === undefined || !current.isEligible) return best;
  return compareServers(best, current, weights) < 0 ? best : undefined;
}

function isOpen(
  { isHeld, hasRequired }: CandidateServer,
  { isEligible, isDraining }: CurrentServer,
): boolean {
  return (!isHeld || !isEligible) && (hasRequired || isDraining);
}
