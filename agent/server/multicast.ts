/** Announcements on the local networks: UDP multicast over IPv4 and IPv6, on interfaces that come and go. */
import {
  type AnnouncedInterface,
  type InterfaceSelection,
  areSameInterfaces,
  interfaceOf,
  scanInterfaces,
} from './interfaces.ts';
import type { MulticastGroup } from './multicast-group.ts';
import { openIpv4Group } from './multicast-ipv4.ts';
import { Ipv6Group } from './multicast-ipv6.ts';

const scanEveryMs = 10_000;
const rememberedSenders = 256;

export interface MulticastOptions extends InterfaceSelection {
  /**
   * A datagram from a network that we announce on; the bytes are ours to keep. Must not throw.
   *
   * @param from the sender's address, which anybody on that network can forge
   */
  onDatagram(bytes: Uint8Array, from: string, interfaceName: string): void;
  /** The interfaces changed after the first scan. */
  onInterfaces?(interfaces: readonly AnnouncedInterface[]): void;
  /** An interface could not be used, or a datagram could not be sent; the next scan tries again. */
  onProblem?(message: string): void;
}

export interface Multicast {
  /**
   * Sends to each interface what `messageFor` makes for it; nothing where it makes nothing. Where an interface has both
   * families the very same bytes go to both groups: whoever hears both has seen the second.
   */
  send(messageFor: (announced: AnnouncedInterface) => Uint8Array | undefined): void;
  interfaces(): readonly AnnouncedInterface[];
  /** Chooses other interfaces from now on. */
  select(selection: InterfaceSelection): void;
  close(): Promise<void>;
}

/**
 * Joins the groups on each selected interface and looks for new interfaces every 10 s.
 *
 * Rejects where UDP 17320 cannot be bound.
 */
export async function openMulticast(options: MulticastOptions): Promise<Multicast> {
  const port = new MulticastPort(options);
  await port.open();
  return port;
}

class MulticastPort implements Multicast {
  readonly #options: MulticastOptions;
  #selection: InterfaceSelection;
  #interfaces: readonly AnnouncedInterface[] = [];
  #groups: readonly MulticastGroup[] = [];
  /** The interface of a sender's address: a flood must not cost a search a datagram. */
  readonly #interfaceBySender = new Map<string, string | undefined>();
  #scanTimer: NodeJS.Timeout | undefined;

  constructor(options: MulticastOptions) {
    this.#options = options;
    this.#selection = options;
  }

  async open(): Promise<void> {
    const listener = {
      onDatagram: (bytes: Uint8Array, from: string, name?: string) => this.#receive(bytes, from, name),
      onProblem: (doing: string, error: unknown) =>
        this.#options.onProblem?.(`${doing}: ${error instanceof Error ? error.message : String(error)}`),
    };
    const ipv6 = new Ipv6Group(listener);
    this.#groups = [await openIpv4Group(listener), ipv6];
    this.#interfaces = this.#scan();
    await ipv6.ready();
    this.#scanTimer = setInterval(() => this.#rescan(), scanEveryMs);
  }

  interfaces(): readonly AnnouncedInterface[] {
    return this.#interfaces;
  }

  select(selection: InterfaceSelection): void {
    this.#selection = selection;
    this.#rescan();
  }

  send(messageFor: (announced: AnnouncedInterface) => Uint8Array | undefined): void {
    for (const announced of this.#interfaces) {
      const message = messageFor(announced);
      if (message !== undefined) for (const group of this.#groups) group.send(announced, message);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#scanTimer);
    const groups = this.#groups;
    this.#groups = [];
    this.#interfaces = [];
    await Promise.all(groups.map((group) => group.close()));
  }

  #receive(bytes: Uint8Array, from: string, interfaceName?: string): void {
    if (this.#groups.length === 0) return;
    const name = interfaceName ?? this.#interfaceNameOf(from);
    if (name !== undefined) this.#options.onDatagram(bytes, from, name);
  }

  #interfaceNameOf(from: string): string | undefined {
    if (this.#interfaceBySender.has(from)) return this.#interfaceBySender.get(from);
    if (this.#interfaceBySender.size >= rememberedSenders) this.#interfaceBySender.clear();
    const name = interfaceOf(from, this.#interfaces)?.name;
    this.#interfaceBySender.set(from, name);
    return name;
  }

  #rescan(): void {
    if (this.#groups.length === 0) return;
    const now = this.#scan();
    if (areSameInterfaces(now, this.#interfaces)) return;
    this.#interfaces = now;
    this.#options.onInterfaces?.(now);
  }

  #scan(): readonly AnnouncedInterface[] {
    this.#interfaceBySender.clear();
    const usable = scanInterfaces(this.#selection).filter((announced) => {
      const used = this.#groups.map((group) => group.use(announced));
      return used.includes(true);
    });
    for (const group of this.#groups) group.retain(usable);
    return usable;
  }
}
