/** A server with several addresses: dialed as one. */
import type { TLSSocket } from 'node:tls';
import type { Endpoint } from '../../protocol/endpoints.ts';
import type { Leaf } from '../../protocol/trust.ts';

/** A server's socket, its certificate verified. */
export interface Dialed {
  readonly socket: TLSSocket;
  readonly leaf: Leaf;
}

/** Dials one address; rejects with what `problemOf` understands. Nothing is left open after `signal`. */
export type Dial = (endpoint: Endpoint, signal: AbortSignal) => Promise<Dialed>;

export interface DialPlan {
  /** In the order in which they are tried. */
  readonly endpoints: readonly Endpoint[];
  readonly dial: Dial;
  /** Resolves after a time, or at once when the signal is aborted. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Between the dials of one server's addresses. Our choice, after RFC 8305 section 5. */
const addressStaggerMs = 250;

/** Dials addresses one after the other, the next one a moment later or at once after a failure; the first to answer wins. */
export async function dialFirst({ endpoints, dial, pause }: DialPlan, signal: AbortSignal): Promise<Dialed> {
  const race = new DialRace(dial);
  const stop = (): void => race.stop();
  signal.addEventListener('abort', stop, { once: true });
  const dials: Promise<Dialed>[] = [];
  for (const endpoint of endpoints) {
    if (race.isOver) break;
    const dialing = race.enter(endpoint);
    dials.push(dialing);
    await Promise.race([dialing.catch(() => undefined), pause(addressStaggerMs, signal)]);
  }
  try {
    return await Promise.any(dials);
  } catch (error) {
    throw error instanceof AggregateError ? error.errors.at(0) : error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Dials of one server. Each has a signal of its own: stopping the others must not touch the winner's socket. */
class DialRace {
  readonly #dial: Dial;
  readonly #running = new Set<AbortController>();
  isOver = false;

  constructor(dial: Dial) {
    this.#dial = dial;
  }

  async enter(endpoint: Endpoint): Promise<Dialed> {
    const controller = new AbortController();
    this.#running.add(controller);
    try {
      const dialed = await this.#dial(endpoint, controller.signal);
      if (this.isOver) {
        dialed.socket.destroy();
        throw new Error('another address answered first');
      }
      this.#running.delete(controller);
      this.stop();
      return dialed;
    } finally {
      this.#running.delete(controller);
    }
  }

  stop(): void {
    this.isOver = true;
    for (const controller of this.#running) controller.abort();
  }
}
