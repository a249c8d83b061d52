/** When a status is written: only where it says something else, and at most once a second an object. Pure. */
import { isDeepStrictEqual } from 'node:util';

/** Two writes of one object are at least this far apart. */
const writeEveryMs = 1000;

/** What we wrote last, and what the API server made of it. */
export interface Written {
  readonly atMs: number;
  readonly resourceVersion: string;
  readonly status: unknown;
}

/** An object as the watch has it. */
export interface Observed {
  readonly resourceVersion: string;
  readonly status: unknown;
}

export type WriteDecision =
  | { readonly kind: 'same' }
  | { readonly kind: 'write' }
  | { readonly kind: 'later'; readonly afterMs: number };

/** Whether `desired` is to be written now. */
export function decideWrite(
  desired: unknown,
  observed: Observed,
  written: Written | undefined,
  nowMs: number,
): WriteDecision {
  if (isDeepStrictEqual(desired, presentStatus(observed, written))) return { kind: 'same' };
  const afterMs = written === undefined ? 0 : written.atMs + writeEveryMs - nowMs;
  return afterMs > 0 ? { kind: 'later', afterMs } : { kind: 'write' };
}

/** The newer of what the watch has and what our own last write came to: the watch is behind for a moment. */
export function presentStatus(observed: Observed, written: Written | undefined): unknown {
  if (written === undefined) return observed.status;
  return isOlder(observed.resourceVersion, written.resourceVersion) ? written.status : observed.status;
}

/** Resource versions are whole numbers that rise. @see Kubernetes API concepts, resource versions */
function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than];
  if (!/^\d{1,40}$/.test(a) || !/^\d{1,40}$/.test(b)) return false;
  return BigInt(a) < BigInt(b);
}
