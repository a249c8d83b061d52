/** When to call the operator again: soon at first, then less and less, never all agents at once. Pure. */

const firstMs = 500;
const lastMs = 30_000;

/**
 * How long to wait before the next call.
 *
 * @param failures in a row, this one included
 * @param entropy 0 to 1
 * @param atLeastMs what the operator asked for
 */
export function backOffMs(failures: number, entropy: number, atLeastMs = 0): number {
  const fullMs = Math.min(lastMs, firstMs * 2 ** Math.min(failures - 1, 10));
  return Math.max(atLeastMs, fullMs / 2) + (entropy * fullMs) / 2;
}
