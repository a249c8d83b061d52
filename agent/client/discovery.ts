/** Listens for announcements: how a client finds servers that nobody told it of. @see [0064], [0065] */
import { type AnnouncementOrder, isLater } from '../../protocol/announcement-order.ts';
import type { VerifiedAnnouncement } from '../../protocol/announcements.ts';
import { formatEndpoint } from '../../protocol/endpoints.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
import type { EmitEvent } from '../events.ts';
import { Intake, type IntakeResult } from '../server/intake.ts';
import { containerInterfaces } from '../server/interfaces.ts';
import { type Multicast, openMulticast } from '../server/multicast.ts';
import type { Candidate } from './core-events.ts';
import type { TrustView } from './transport.ts';

export interface DiscoveryOptions {
  readonly trust: TrustView;
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
  // A client announces nothing: no key is its own here.
  readonly #intake = new Intake({ ownSpkiSha256: '', random: () => Math.random() });
  readonly #heard = new Map<ServerId, Heard>();
  #multicast: Multicast | undefined;
  #timer: NodeJS.Timeout | undefined;
  #droppedSince = 0;
  #toldAtMs = -Infinity;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const { interfaces, emit } = this.#options;
    this.#multicast = await openMulticast({
      interfaces,
      excludeInterfaces: containerInterfaces,
      onDatagram: (bytes, from) => this.#offer(bytes, from),
      onProblem: (message) => emit({ event: 'warning', reason: 'discovery', message }),
    });
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
    clearTimeout(this.#timer);
    await this.#multicast?.close();
  }

  #offer(bytes: Uint8Array, from: string): void {
    const result = this.#intake.offer(bytes, from, performance.now());
    if (result !== undefined) this.#judge(result);
    this.#schedule();
  }

  #schedule(): void {
    const { dueAtMs } = this.#intake;
    if (dueAtMs === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        const results = this.#intake.take(performance.now(), Date.now(), this.#options.trust.current);
        for (const result of results) this.#judge(result);
        this.#schedule();
      },
      Math.max(0, dueAtMs - performance.now()),
    );
  }

  #judge(result: IntakeResult): void {
    if (result.kind === 'verified') this.#take(result.announcement);
    else if (result.kind === 'dropped' && result.reason !== 'seen') this.#tellDropped(result);
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
      via: 'multicast',
    });
    if (server !== undefined) for (const tell of this.#subscribers) tell(server);
  }

  #tellDropped({ reason, detail, from }: Extract<IntakeResult, { kind: 'dropped' }>): void {
    this.#droppedSince += 1;
    if (performance.now() < this.#toldAtMs + 1000) return;
    this.#toldAtMs = performance.now();
    this.#options.emit({ event: 'dropped', reason, detail, from, count: this.#droppedSince });
    this.#droppedSince = 0;
  }
}
