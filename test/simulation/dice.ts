/** Choices, the same for the same seed. */
import { seededRandom } from '../support/mutation.ts';

export const features = ['x', 'record', 'gpu', 'web'] as const;

export class Dice {
  readonly random: () => number;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  is(chance: number): boolean {
    return this.random() < chance;
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.below(items.length)] ?? items[0];
  }

  features(): readonly string[] {
    return ['x', ...features.slice(1).filter(() => this.is(0.6))];
  }
}
