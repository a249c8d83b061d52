/** Who may shake hands now: handshakes cost a millisecond each, and anybody on the network can ask for one. Pure. */
import ipaddr from 'ipaddr.js';

/** Our choice: a machine that starts calls with its cameras and links, far fewer than these. */
export const maxHandshakesPerSource = 32;
export const maxHandshakes = 256;
export const maxWaiting = 2048;

interface Source<Connection> {
  open: number;
  readonly waiting: Connection[];
}

/**
 * Connections that may start their handshake, and those that wait for it unread. Sources take turns, so that one that opens
 * thousands delays mostly itself; when too many wait, the source with the most of them loses its newest.
 */
export class Admission<Connection> {
  /** In the order of their next turn. */
  readonly #sources = new Map<string, Source<Connection>>();
  #open = 0;
  #waiting = 0;

  get open(): number {
    return this.#open;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /**
   * A connection came.
   *
   * @returns the connections that start now, and the one that is to be closed, which may be this one
   */
  offer(source: string, connection: Connection): { start: Connection[]; refuse?: Connection } {
    this.#sourceOf(source).waiting.push(connection);
    this.#waiting += 1;
    const start = this.#startNext();
    if (this.#waiting <= maxWaiting) return { start };
    const refuse = this.#dropFromLargest();
    return refuse === undefined ? { start } : { start, refuse };
  }

  /** A handshake of that source has ended, well or badly. @returns the connections that start now */
  finish(source: string): Connection[] {
    const known = this.#sources.get(source);
    if (known === undefined || known.open === 0) return [];
    known.open -= 1;
    this.#open -= 1;
    this.#forgetIfIdle(source, known);
    return this.#startNext();
  }

  /** Takes out all that wait. */
  clear(): Connection[] {
    const waiting = [...this.#sources.values()].flatMap((source) => source.waiting.splice(0));
    this.#waiting = 0;
    return waiting;
  }

  #startNext(): Connection[] {
    const started: Connection[] = [];
    for (
      let next = this.#nextSource();
      next !== undefined && this.#open < maxHandshakes;
      next = this.#nextSource()
    ) {
      const [name, source] = next;
      const connection = source.waiting.shift();
      if (connection === undefined) break;
      source.open += 1;
      this.#open += 1;
      this.#waiting -= 1;
      this.#sources.delete(name);
      this.#sources.set(name, source);
      started.push(connection);
    }
    return started;
  }

  #nextSource(): [string, Source<Connection>] | undefined {
    if (this.#waiting === 0 || this.#open >= maxHandshakes) return undefined;
    for (const entry of this.#sources) {
      const [, source] = entry;
      if (source.waiting.length > 0 && source.open < maxHandshakesPerSource) return entry;
    }
    return undefined;
  }

  #dropFromLargest(): Connection | undefined {
    let largest: [string, Source<Connection>] | undefined;
    for (const entry of this.#sources) {
      if (largest === undefined || entry[1].waiting.length > largest[1].waiting.length) largest = entry;
    }
    const dropped = largest?.[1].waiting.pop();
    if (largest === undefined || dropped === undefined) return undefined;
    this.#waiting -= 1;
    this.#forgetIfIdle(...largest);
    return dropped;
  }

  #sourceOf(name: string): Source<Connection> {
    const known = this.#sources.get(name);
    if (known !== undefined) return known;
    const source: Source<Connection> = { open: 0, waiting: [] };
    this.#sources.set(name, source);
    return source;
  }

  #forgetIfIdle(name: string, source: Source<Connection>): void {
    if (source.open === 0 && source.waiting.length === 0) this.#sources.delete(name);
  }
}

/** Whom a connection counts for: an IPv4 address, or the /64 that an IPv6 host may choose its addresses from. */
export function handshakeSource(address: string): string {
  if (!ipaddr.isValid(address)) return 'unknown';
  const parsed = ipaddr.process(address);
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString();
  return parsed.parts.slice(0, 4).join(':');
}
