/** Servers that our own server heard or linked with, told to the clients here: where to go when nobody else is left. */
import { formatEndpoint, parseEndpoint } from '../protocol/endpoints.ts';
import { isServerId, type ServerId } from '../protocol/identifiers.ts';
import type { Candidate } from './client/core-events.ts';
import type { Untimed } from './events.ts';

type OnServer = (server: Candidate) => void;

/** A home has a few servers; those heard last are kept. */
const maxServers = 64;

export class KnownServers {
  readonly #servers = new Map<ServerId, Candidate>();
  readonly #listeners = new Set<OnServer>();

  /** Takes what a server of ours tells: its announcements and links are verified. Draining servers are no candidates. */
  take(event: Untimed): void {
    if (event.event !== 'heard' && event.event !== 'linked') return;
    const { id } = event;
    if (!isServerId(id)) return;
    const known = this.#servers.get(id)?.endpoints.map(formatEndpoint) ?? [];
    // The link's address is where it surely is; the others are where its announcement says that it is as well.
    if (event.event === 'linked') this.#add(id, [event.address, ...known]);
    else if (event.max === 0) this.#servers.delete(id);
    else this.#add(id, [event.address, ...(event.also ?? [])]);
  }

  #add(id: ServerId, addresses: readonly string[]): void {
    const endpoints = [...new Set(addresses)].flatMap((text) => {
      const address = parseEndpoint(text);
      return address.ok ? [address.value] : [];
    });
    if (endpoints.length === 0) return;
    const server = { id, endpoints };
    this.#servers.delete(id);
    this.#servers.set(id, server);
    const oldest = this.#servers.keys().next();
    if (this.#servers.size > maxServers && oldest.done !== true) this.#servers.delete(oldest.value);
    for (const onServer of this.#listeners) onServer(server);
  }

  /** Tells the servers known so far, soon, and each that comes. */
  subscribe(onServer: OnServer): { close(): Promise<void> } {
    this.#listeners.add(onServer);
    // Not before the client that asks is ready.
    queueMicrotask(() => {
      if (!this.#listeners.has(onServer)) return;
      for (const server of this.#servers.values()) onServer(server);
    });
    return {
      close: async () => {
        this.#listeners.delete(onServer);
      },
    };
  }
}
