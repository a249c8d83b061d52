/** Listens for announcements: how a client finds servers that nobody told it of. @see [0064], [0065] */
import { type AnnouncementOrder, isLater } from '../../protocol/announcement-order.ts';
import type { VerifiedAnnouncement } from '../../protocol/announcements.ts';
import { formatEndpoint } from '../../protocol/endpoints.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
import type { EmitEvent } from '../events.ts';
import { Drops } from '../server/drops.ts';
import { type Hearing, openHearing } from '../server/hearing.ts';
import { containerInterfaces } from '../server/interfaces.ts';
import type { LiveTrust } from '../trust-directory.ts';
import type { Candidate } from './core-events.ts';

export interface DiscoveryOptions {
  readonly trust: LiveTrust;
  /** Only these; empty is all but `lo`. */
  readonly interfaces: readonly string[];
  readonly emit: EmitEvent;
}

/** What was heard, for any number of clients. */
export interface Discovery {
  /** Tells of all servers that were heard, and of each new thing that one of them says. */
  subscribe(onServer: (server: Candidate) => void): { close(): Promise<void> };
  close(): Promise<void>;
}

/** Servers whose order is remembered; a home has a few. */
const maxServers = 256;
/** Each server says the same again and again: counted, and no news. */
const quietDrops: ReadonlySet<string> = new Set(['seen']);
const flushDropsMs = 1000;

/**
 * Listens for verified servers that are not draining. What is dropped is told at most once a second. Rejects where UDP 17320
 * cannot be bound.
 */
export async function discoverServers(options: DiscoveryOptions): Promise<Discovery> {
  const listening = new AnnouncementListener(options);
  await listening.open();
  return listening;
}

interface Heard {
  readonly order: AnnouncementOrder | undefined;
  /** Undefined while it drains. */
  readonly server: Candidate | undefined;
}

class AnnouncementListener implements Discovery {
  readonly #options: DiscoveryOptions;
  readonly #subscribers = new Set<(server: Candidate) => void>();
  readonly #heard = new Map<ServerId, Heard>();
  readonly #drops: Drops;
  #hearing: Hearing | undefined;
  #flushing: NodeJS.Timeout | undefined;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    this.#drops = new Drops(options.emit, quietDrops);
  }

  async open(): Promise<void> {
    const { trust, interfaces, emit } = this.#options;
    this.#hearing = await openHearing({
      trust,
      interfaces,
      excludeInterfaces: interfaces.length > 0 ? [] : containerInterfaces,
      onHeard: (announcement) => this.#take(announcement),
      onDropped: (drop) => this.#drops.note(drop, performance.now()),
      onProblem: (message) => emit({ event: 'warning', reason: 'discovery', message }),
    });
    this.#flushing = setInterval(() => this.#drops.flush(performance.now()), flushDropsMs);
  }

  subscribe(onServer: (server: Candidate) => void): { close(): Promise<void> } {
    this.#subscribers.add(onServer);
    for (const { server } of this.#heard.values()) if (server !== undefined) onServer(server);
    return {
      close: () => {
        this.#subscribers.delete(onServer);
        return Promise.resolve();
      },
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#flushing);
    await this.#hearing?.close();
  }

  #take({ subscribe, leaf }: VerifiedAnnouncement): void {
    const { from, also, order, features, connected, max } = subscribe;
    if (!isLater(order, this.#heard.get(from.id)?.order)) return;
    const server = max > 0 ? { id: from.id, endpoints: [from.address, ...also] } : undefined;
    this.#heard.delete(from.id);
    this.#heard.set(from.id, { order, server });
    const oldest = this.#heard.keys().next();
    if (this.#heard.size > maxServers && oldest.done !== true) this.#heard.delete(oldest.value);
    const address = formatEndpoint(from.address);
    this.#options.emit({
      event: 'heard',
      server: leaf.name,
      id: from.id,
      address,
      features,
      connected,
      max,
      ...(also.length > 0 ? { also: also.map(formatEndpoint) } : {}),
      via: 'multicast',
    });
    if (server !== undefined) for (const tell of this.#subscribers) tell(server);
  }
}
