/** A trust set that a test changes. */
import type { LiveTrust } from '../../agent/trust-directory.ts';
import type { TrustSet } from '../../protocol/trust.ts';

export interface SettableTrust extends LiveTrust {
  set(trust: TrustSet): void;
}

export function settableTrust(first: TrustSet): SettableTrust {
  const listeners = new Set<(trust: TrustSet) => void>();
  let current = first;
  return {
    get current() {
      return current;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set(trust) {
      current = trust;
      for (const listener of listeners) listener(trust);
    },
  };
}
