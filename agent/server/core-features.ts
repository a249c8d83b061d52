/** Features are live facts: what a sink cannot do now is not announced. */
import type { ServerState, Turn } from './core-state.ts';

/** How long a sink must work again before its feature comes back: a full disk that has room for a moment moves nobody. */
export const defaultHealthMs = 60_000;

/** A sink failed, or works again. */
export function takeHealth({ state, nowMs, effects }: Turn, feature: string, isHealthy: boolean): void {
  const untilMs = state.missing.get(feature);
  if (isHealthy && untilMs === Infinity) state.missing.set(feature, nowMs + state.healthMs);
  if (isHealthy || untilMs === Infinity) return;
  state.missing.set(feature, Infinity);
  state.isDirty = true;
  effects.push({
    kind: 'tell',
    event: {
      event: 'warning',
      reason: 'FeatureLost',
      message: `${feature} does not work: it is not announced`,
    },
  });
}

/** Takes back what was healthy long enough. */
export function returnFeatures({ state, nowMs }: Turn): void {
  for (const [feature, untilMs] of state.missing) {
    if (untilMs > nowMs) continue;
    state.missing.delete(feature);
    state.isDirty = true;
  }
}

/** When the next feature comes back. */
export function nextHealthMs({ missing }: ServerState): number {
  return Math.min(Infinity, ...missing.values());
}
