/** The objects of one kind as far as they are known, and what each list and event changes in them. */
import { placeOf, type WatchEvent } from './watch-events.ts';

export type ResourceChange =
  /** Everything was listed; changes came before it. */
  | { readonly type: 'synced' }
  | {
      readonly type: 'put';
      readonly key: string;
      readonly object: object;
      readonly previous: object | undefined;
    }
  /** `object` is the last that is known of it. */
  | { readonly type: 'gone'; readonly key: string; readonly object: object; readonly previous: object };

/** Pure: says what changed and leaves telling to the caller. */
export class ResourceStore {
  #objects = new Map<string, object>();
  /** Objects without a name or a version. */
  dropped = 0;

  list(): readonly object[] {
    return [...this.#objects.values()];
  }

  get(key: string): object | undefined {
    return this.#objects.get(key);
  }

  /** Takes a whole list: what it does not have is gone. */
  replace(items: readonly object[]): readonly ResourceChange[] {
    const before = this.#objects;
    const changes: ResourceChange[] = [];
    this.#objects = new Map();
    for (const object of items) {
      const place = placeOf(object);
      if (place === undefined) {
        this.dropped += 1;
        continue;
      }
      const previous = before.get(place.key);
      this.#objects.set(place.key, object);
      if (previous === undefined || placeOf(previous)?.version !== place.version) {
        changes.push({ type: 'put', key: place.key, object, previous });
      }
    }
    for (const [key, previous] of before) {
      if (!this.#objects.has(key)) changes.push({ type: 'gone', key, object: previous, previous });
    }
    changes.push({ type: 'synced' });
    return changes;
  }

  /** Takes an event of a watch. */
  take(event: WatchEvent): ResourceChange | undefined {
    if (event.type === 'unknown') this.dropped += 1;
    if (event.type !== 'put' && event.type !== 'gone') return undefined;
    const { key, object } = event;
    const previous = this.#objects.get(key);
    if (event.type === 'put') {
      this.#objects.set(key, object);
      return { type: 'put', key, object, previous };
    }
    this.#objects.delete(key);
    return previous === undefined ? undefined : { type: 'gone', key, object, previous };
  }
}
