/** Hashes of the last messages, bounded: the oldest goes first. */
export class RecentHashes {
  readonly #limit: number;
  readonly #hashes = new Set<string>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  has(hash: string): boolean {
    return this.#hashes.has(hash);
  }

  add(hash: string): void {
    const [oldest] = this.#hashes;
    if (this.#hashes.size >= this.#limit && oldest !== undefined) this.#hashes.delete(oldest);
    this.#hashes.add(hash);
  }
}
