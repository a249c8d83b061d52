/**
 * Budgets for signature checks. Of what comes within 20 ms some are picked at random: first come, and a flood decides by its
 * phase who is heard. Leafs that were good before and unknown ones have a budget each, so that strangers crowd out nobody who
 * is known; and each known leaf has one place, so that a flood under its name crowds out only itself.
 */
const windowMs = 20;
/** 2,000 a second while no peer is linked, 100 otherwise: links tell the rest. */
const picksByQuiet = { loud: 40, quiet: 2 } as const;
/** Our choice: somewhat above the peers that a server calls. */
const maxKnownLeafs = 64;

interface Pool<Ticket> {
  readonly picked: Ticket[];
  seen: number;
}

/** Memory: at most 40 tickets of strangers and one of each of 64 known leafs. */
export class DatagramLottery<Ticket> {
  /** Whether a peer is linked. */
  isQuiet = false;
  readonly #random: () => number;
  readonly #known = new Set<string>();
  #strangers: Pool<Ticket> = { picked: [], seen: 0 };
  readonly #knownPools = new Map<string, Pool<Ticket>>();
  #dueAtMs: number | undefined;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** End of the window; undefined while nobody waits. */
  get dueAtMs(): number | undefined {
    return this.#dueAtMs;
  }

  /** This leaf has signed a good message. */
  know(leaf: string): void {
    this.#known.delete(leaf);
    const [oldest] = this.#known;
    if (this.#known.size >= maxKnownLeafs && oldest !== undefined) this.#known.delete(oldest);
    this.#known.add(leaf);
  }

  /** @returns whoever is out: this ticket, another whose place it took, or nobody */
  enter(
    { leaf, ticket }: { readonly leaf: string; readonly ticket: Ticket },
    nowMs: number,
  ): Ticket | undefined {
    this.#dueAtMs ??= nowMs + windowMs;
    if (!this.#known.has(leaf)) return this.#pick(this.#strangers, ticket, this.#picks);
    const pool = this.#knownPools.get(leaf) ?? { picked: [], seen: 0 };
    this.#knownPools.set(leaf, pool);
    return this.#pick(pool, ticket, 1);
  }

  /** Ends the window if its time has come. */
  draw(nowMs: number): { readonly winners: readonly Ticket[]; readonly losers: readonly Ticket[] } {
    if (this.#dueAtMs === undefined || nowMs < this.#dueAtMs) return { winners: [], losers: [] };
    const known: Pool<Ticket> = { picked: [], seen: 0 };
    const losers: Ticket[] = [];
    for (const ticket of [...this.#knownPools.values()].flatMap(({ picked }) => picked)) {
      const loser = this.#pick(known, ticket, this.#picks);
      if (loser !== undefined) losers.push(loser);
    }
    const winners = [...known.picked, ...this.#strangers.picked];
    this.#strangers = { picked: [], seen: 0 };
    this.#knownPools.clear();
    this.#dueAtMs = undefined;
    return { winners, losers };
  }

  get #picks(): number {
    return this.isQuiet ? picksByQuiet.quiet : picksByQuiet.loud;
  }

  /** Reservoir sampling: after n tickets each has had the same chance, whenever it came. */
  #pick(pool: Pool<Ticket>, ticket: Ticket, places: number): Ticket | undefined {
    pool.seen += 1;
    if (pool.picked.length < places) {
      pool.picked.push(ticket);
      return undefined;
    }
    const index = Math.floor(this.#random() * pool.seen);
    const loser = pool.picked[index];
    if (index >= places || loser === undefined) return ticket;
    pool.picked[index] = ticket;
    return loser;
  }
}
