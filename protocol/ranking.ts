/**
 * Who is better for a client: feature lists, then the maximum of clients, then the identifiers. Every server that knows the
 * same facts finds the same winner without a message.
 */
import type { SelectionMode } from './documents.ts';
import { compareCodePoints, type ServerId } from './identifiers.ts';

/** What is compared of a server. */
export interface RankedServer {
  readonly id: ServerId;
  readonly features: readonly string[];
  readonly max: number;
  /** 0 where it never showed one. */
  readonly boot: number;
}

/** What a client wants. */
export interface Preferences {
  readonly requires: readonly string[];
  /** Integers ≥ 0 by feature; 1 where absent. */
  readonly weights: Readonly<Record<string, number>>;
  readonly mode: SelectionMode;
}

/** The wishes of a client that has none. */
export const noPreferences: Preferences = { requires: [], weights: {}, mode: 'Best' };

/**
 * What feature lists are compared by: the sum of the features' weights, 1 each unless the client says otherwise.
 *
 * @see [0082] to [0084]
 */
export function levelOf(features: readonly string[], weights: Preferences['weights']): number {
  return features.reduce((level, feature) => level + weightOf(feature, weights), 0);
}

/** Whether a server has all that the client requires. */
export function hasRequired(features: readonly string[], requires: readonly string[]): boolean {
  return requires.every((feature) => features.includes(feature));
}

/**
 * The patent's order, for a client in mode `Best`: negative where `a` goes first. Strict and total over servers with different
 * identifiers.
 *
 * @see [0084] level, [0086] larger max, [0087] identifier first in code point order
 */
export function compareServers(a: RankedServer, b: RankedServer, weights: Preferences['weights']): number {
  const byLevel = levelOf(b.features, weights) - levelOf(a.features, weights);
  if (byLevel !== 0) return byLevel;
  return b.max === a.max ? compareCodePoints(a.id, b.id) : b.max - a.max;
}

/** The order of mode `AnyValid`: the later boot first, and identifiers where boots are equal. @see [0102] */
export function compareBoots(a: RankedServer, b: RankedServer): number {
  return b.boot === a.boot ? compareCodePoints(a.id, b.id) : b.boot - a.boot;
}

/** All of them, the best for this client first. What makes a server no candidate at all is not looked at. */
export function rankServers<Server extends RankedServer>(
  servers: readonly Server[],
  { weights, mode }: Pick<Preferences, 'weights' | 'mode'>,
): readonly Server[] {
  const compare = mode === 'AnyValid' ? compareBoots : compareServers;
  return servers.toSorted((a, b) => compare(a, b, weights));
}

/** Why `first` stands before `second`, for people: `level 3 (gpu+live+record) against 2 (live+record)`. */
export function explainRank(
  first: RankedServer,
  second: RankedServer,
  { weights, mode }: Pick<Preferences, 'weights' | 'mode'>,
): string {
  if (mode === 'AnyValid' && first.boot !== second.boot) return 'started later (mode AnyValid)';
  const [level, other] = [levelOf(first.features, weights), levelOf(second.features, weights)];
  if (mode === 'Best' && level !== other) {
    return `level ${level} (${describeLevel(first, weights)}) against ${other} (${describeLevel(second, weights)})`;
  }
  if (mode === 'Best' && first.max !== second.max) {
    return `same level ${level}, max ${first.max} against ${second.max}`;
  }
  return mode === 'Best'
    ? 'same level and max, identifier first in order'
    : 'same boot, identifier first in order';
}

function weightOf(feature: string, weights: Preferences['weights']): number {
  // `weights` comes from a client: `constructor` is a good name for a feature.
  return Object.hasOwn(weights, feature) ? (weights[feature] ?? 1) : 1;
}

function describeLevel({ features }: RankedServer, weights: Preferences['weights']): string {
  if (features.length === 0) return 'no features';
  return features
    .map((feature) => {
      const weight = weightOf(feature, weights);
      return weight === 1 ? feature : `${feature}×${weight}`;
    })
    .join('+');
}
