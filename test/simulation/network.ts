/** The network between virtual machines: delays, partitions, datagrams that are lost, doubled or late, and ordered pipes. */
import { Timeline } from './timeline.ts';

export class Network {
  readonly time = new Timeline();
  readonly random: () => number;
  /** Part of all messages that is up to 3.5 s late. */
  lateness = 0;
  readonly #blocked = new Set<string>();

  constructor(random: () => number) {
    this.random = random;
  }

  delayMs(): number {
    const late = this.lateness > 0 && this.random() < this.lateness ? this.random() * 3500 : 0;
    return 1 + this.random() * 10 + late;
  }

  isOpen(a: string, b: string): boolean {
    return !this.#blocked.has(pairOf(a, b));
  }

  block(a: string, b: string): void {
    if (a !== b) this.#blocked.add(pairOf(a, b));
  }

  /** Heals each partition with that chance. */
  heal(chance: number): void {
    for (const pair of this.#blocked) if (this.random() < chance) this.#blocked.delete(pair);
  }

  /** A datagram: lost once in twenty times, doubled once in fifty, in any order. */
  throwAt(from: string, to: string, deliver: () => void): void {
    const copies = this.random() < 0.02 ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (this.random() < 0.05) continue;
      this.time.after(this.delayMs(), () => {
        if (this.isOpen(from, to)) deliver();
      });
    }
  }
}

function pairOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

const retransmitMs = 300;

/** One direction of a connection: in order, whole, held back while the two are parted. */
export class Pipe {
  readonly #network: Network;
  readonly #ends: readonly [string, string];
  readonly #queue: { readonly readyMs: number; readonly deliver: () => void }[] = [];
  #lastReadyMs = 0;
  #isWaiting = false;
  isClosed = false;

  constructor(network: Network, from: string, to: string) {
    this.#network = network;
    this.#ends = [from, to];
  }

  send(deliver: () => void): void {
    const { time } = this.#network;
    this.#lastReadyMs = Math.max(this.#lastReadyMs, time.nowMs + this.#network.delayMs());
    this.#queue.push({ readyMs: this.#lastReadyMs, deliver });
    this.#wait(this.#lastReadyMs);
  }

  #wait(atMs: number): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#network.time.at(atMs, () => {
      this.#isWaiting = false;
      this.#pump();
    });
  }

  #pump(): void {
    const { time } = this.#network;
    while (!this.isClosed) {
      const [first] = this.#queue;
      if (first === undefined) return;
      if (first.readyMs > time.nowMs) {
        this.#wait(first.readyMs);
        return;
      }
      if (!this.#network.isOpen(...this.#ends)) {
        this.#wait(time.nowMs + retransmitMs);
        return;
      }
      this.#queue.shift();
      first.deliver();
    }
  }
}
