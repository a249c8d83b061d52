/** Hold-down: how long a peer that was lost must be back before clients go to it again. Our own record of each peer. */

/** Times are of the core's clock; a record from before a restart may have negative ones. */
export interface HoldDown {
  /** 0 while nothing is held against the peer. */
  readonly lengthMs: number;
  readonly untilMs: number;
  /** When it was lost last; undefined if never. */
  readonly lostAtMs: number | undefined;
  /** When it came back; undefined while it is lost. */
  readonly returnedAtMs: number | undefined;
}

const firstHoldMs = 5000;
const longestHoldMs = 3_600_000;
const leastHealthMs = 600_000;
const rememberedMs = 86_400_000;

/** Of a server never seen before: it wins at once. */
export const noHoldDown: HoldDown = { lengthMs: 0, untilMs: 0, lostAtMs: undefined, returnedAtMs: undefined };

/** The link came up. */
export function returned(hold: HoldDown, nowMs: number): HoldDown {
  const isUnknown = hold.lostAtMs === undefined || nowMs - hold.lostAtMs > rememberedMs;
  const lengthMs = isUnknown ? 0 : hold.lengthMs;
  return { ...hold, lengthMs, untilMs: lengthMs === 0 ? 0 : nowMs + lengthMs, returnedAtMs: nowMs };
}

/**
 * The link was lost: 5 s, then twice as long as the last time, up to 1 h. Forgotten before is what was followed by 10 min of
 * health, or by twice its length.
 *
 * @param wasDraining the peer said that it goes: nothing is held against it
 */
export function lost(hold: HoldDown, nowMs: number, wasDraining: boolean): HoldDown {
  const gone = { ...hold, lostAtMs: nowMs, returnedAtMs: undefined };
  if (wasDraining) return gone;
  const lengthMs = isForgotten(hold, nowMs) ? 0 : hold.lengthMs;
  return { ...gone, lengthMs: lengthMs === 0 ? firstHoldMs : Math.min(lengthMs * 2, longestHoldMs) };
}

/** Milliseconds for which clients do not go there yet; 0 if they may. */
export function heldForMs({ untilMs }: HoldDown, nowMs: number): number {
  return Math.max(0, untilMs - nowMs);
}

function isForgotten({ lengthMs, returnedAtMs }: HoldDown, nowMs: number): boolean {
  return returnedAtMs !== undefined && nowMs - returnedAtMs > Math.max(leastHealthMs, 2 * lengthMs);
}
