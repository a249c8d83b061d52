/** What waits for an agent that reads slowly: in order, and of snapshots only the newest, as each is whole. Pure. */
import type { OperatorMessage } from '../../crds/operator-messages.ts';

/** Certificates for every camera of a node, and some more. */
const maxWaiting = 1200;

export class Outbox {
  #waiting: OperatorMessage[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Takes a message to be sent later; false where too many wait already. */
  put(message: OperatorMessage): boolean {
    // Whoever has something to read needs no sign of life.
    if (message.kind === 'ping' && !this.isEmpty) return true;
    if (message.kind === 'snapshot') {
      this.#waiting = this.#waiting.filter(({ kind }) => kind !== 'snapshot');
    }
    if (this.#waiting.length >= maxWaiting) return false;
    this.#waiting.push(message);
    return true;
  }

  /** The next one; undefined where none waits. */
  take(): OperatorMessage | undefined {
    return this.#waiting.shift();
  }
}
