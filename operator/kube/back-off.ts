/** How long to wait before the next try. */

export interface BackOff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * Doubles from `firstMs` to `maxMs` with each failure in a row (from 1) and then takes off up to half by `random` (0 to 1),
 * so that those who failed together do not come back together. A server that says when is believed: up to `maxMs`, and
 * never earlier than it said.
 */
export function backOffMs(
  failures: number,
  random: number,
  { firstMs, maxMs }: BackOff,
  retryAfterMs = 0,
): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
  const jittered = full * (1 - random / 2);
  return Math.max(jittered, Math.min(retryAfterMs, maxMs) * (1 + random / 10));
}
