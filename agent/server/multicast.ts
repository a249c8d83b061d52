/** Announcements on the local networks: UDP multicast, one socket to hear and one an interface to speak. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import {
  type AnnouncedInterface,
  type InterfaceSelection,
  areSameInterfaces,
  interfaceOf,
  scanInterfaces,
} from './interfaces.ts';

/** Administratively scoped (RFC 2365): routers keep it inside the site, and TTL 1 inside the subnet. */
export const multicastGroup = '239.255.73.20';
/** Announcements always go here; `listen.port` is TCP only. */
export const multicastPort = 17320;

const scanEveryMs = 10_000;
/** A flood is dropped by our budgets and not by a full kernel buffer, as far as the kernel grants it (`net.core.rmem_max`). */
const receiveBufferBytes = 4 << 20;
/** What is longer was cut into fragments by its sender: announcements never are. */
const maxDatagramBytes = 1472;
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
  /** Sends to each interface what `messageFor` makes for it; nothing where it makes nothing. */
  send(messageFor: (announced: AnnouncedInterface) => Uint8Array | undefined): void;
  interfaces(): readonly AnnouncedInterface[];
  /** Chooses other interfaces from now on. */
  select(selection: InterfaceSelection): void;
  close(): Promise<void>;
}

/**
 * Joins the group on each selected interface and looks for new interfaces every 10 s. IPv4; an IPv6 group needs a socket an
 * interface and gets its own file beside this one.
 *
 * Rejects where UDP 17320 cannot be bound. Every process of a machine may open it: Linux hands each multicast datagram to every
 * socket, our own datagrams included.
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
  #receiver: Socket | undefined;
  readonly #senders = new Map<string, Socket>();
  /** The interface of a sender's address: a flood must not cost a search a datagram. */
  readonly #interfaceBySender = new Map<string, string | undefined>();
  #scanTimer: NodeJS.Timeout | undefined;

  constructor(options: MulticastOptions) {
    this.#options = options;
    this.#selection = options;
  }

  async open(): Promise<void> {
    const receiver = createSocket({ type: 'udp4', reuseAddr: true, recvBufferSize: receiveBufferBytes });
    // Bound to the group and not to every address: what is sent to us alone was not announced.
    receiver.bind({ address: multicastGroup, port: multicastPort });
    await once(receiver, 'listening');
    receiver.on('error', (error) => this.#problem('receiving announcements', error));
    receiver.on('message', (bytes, { address }) => this.#receive(bytes, address));
    this.#receiver = receiver;
    this.#interfaces = this.#scan();
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
      const sender = this.#senders.get(senderKey(announced));
      if (message === undefined || sender === undefined) continue;
      sender.send(message, multicastPort, multicastGroup, (error) => {
        if (error) this.#problem(`announcing on ${announced.name}`, error);
      });
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#scanTimer);
    const sockets = [...this.#senders.values(), ...(this.#receiver ? [this.#receiver] : [])];
    this.#receiver = undefined;
    this.#senders.clear();
    this.#interfaces = [];
    await Promise.all(sockets.map(closeSocket));
  }

  #receive(bytes: Uint8Array, from: string): void {
    if (this.#receiver === undefined || bytes.length > maxDatagramBytes) return;
    const name = this.#interfaceNameOf(from);
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
    if (this.#receiver === undefined) return;
    const now = this.#scan();
    if (areSameInterfaces(now, this.#interfaces)) return;
    this.#interfaces = now;
    this.#options.onInterfaces?.(now);
  }

  #scan(): readonly AnnouncedInterface[] {
    this.#interfaceBySender.clear();
    const usable = scanInterfaces(this.#selection).filter((announced) => this.#use(announced));
    const wanted = new Set(usable.map(senderKey));
    for (const [key, sender] of this.#senders) if (!wanted.has(key)) this.#leave(key, sender);
    return usable;
  }

  /** Joined anew at each scan: an interface that was removed and came back with its address has silently left the group. */
  #use(announced: AnnouncedInterface): boolean {
    const key = senderKey(announced);
    const isNewHere = this.#join(announced);
    if (isNewHere === undefined) return false;
    const known = this.#senders.get(key);
    if (known !== undefined && !isNewHere) return true;
    if (known !== undefined) void closeSocket(known);
    this.#senders.set(key, this.#openSender(announced));
    return true;
  }

  /** @returns whether this joined; nothing where it cannot be joined */
  #join(announced: AnnouncedInterface): boolean | undefined {
    try {
      this.#receiver?.addMembership(multicastGroup, announced.address);
      return true;
    } catch (error) {
      if (isErrno(error, 'EADDRINUSE')) return false;
      this.#problem(`joining ${multicastGroup} on ${announced.name}`, error);
      return undefined;
    }
  }

  #openSender(announced: AnnouncedInterface): Socket {
    const sender = createSocket({ type: 'udp4' });
    sender.on('error', (error) => this.#problem(`announcing on ${announced.name}`, error));
    sender.bind({ address: announced.address, port: 0 }, () => {
      try {
        sender.setMulticastInterface(announced.address);
        sender.setMulticastTTL(1);
        sender.setMulticastLoopback(true);
      } catch (error) {
        // Without its interface a socket would announce on whichever the routing table prefers.
        this.#senders.delete(senderKey(announced));
        sender.close();
        this.#problem(`announcing on ${announced.name}`, error);
      }
    });
    return sender;
  }

  #leave(key: string, sender: Socket): void {
    this.#senders.delete(key);
    void closeSocket(sender);
    const [, address] = key.split(' ');
    try {
      this.#receiver?.dropMembership(multicastGroup, address);
    } catch {
      // The address is gone, and the membership with it.
    }
  }

  #problem(doing: string, error: unknown): void {
    this.#options.onProblem?.(`${doing}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function senderKey({ name, address }: AnnouncedInterface): string {
  return `${name} ${address}`;
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(() => resolve());
    } catch {
      // Closed by itself, as after a failed bind.
      resolve();
    }
  });
}
