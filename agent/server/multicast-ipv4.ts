/** The IPv4 group: one socket that hears on all interfaces, and one an interface to speak. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { maxDatagramBytes } from '../../protocol/announcements.ts';
import type { AnnouncedInterface } from './interfaces.ts';
import {
  type GroupListener,
  type MulticastGroup,
  closeSocket,
  isErrno,
  multicastPort,
  receiveBufferBytes,
} from './multicast-group.ts';

/** Administratively scoped (RFC 2365): routers keep it inside the site, and TTL 1 inside the subnet. */
export const multicastGroup = '239.255.73.20';

/**
 * Rejects where UDP 17320 cannot be bound. Every process of a machine may open it: Linux hands each multicast datagram to every
 * socket, our own datagrams included.
 */
export async function openIpv4Group(listener: GroupListener): Promise<MulticastGroup> {
  const receiver = createSocket({ type: 'udp4', reuseAddr: true, recvBufferSize: receiveBufferBytes });
  // Bound to the group and not to every address: what is sent to us alone was not announced.
  receiver.bind({ address: multicastGroup, port: multicastPort });
  await once(receiver, 'listening');
  return new Ipv4Group(receiver, listener);
}

class Ipv4Group implements MulticastGroup {
  readonly #receiver: Socket;
  readonly #listener: GroupListener;
  readonly #senders = new Map<string, Socket>();

  constructor(receiver: Socket, listener: GroupListener) {
    this.#receiver = receiver;
    this.#listener = listener;
    receiver.on('error', (error) => listener.onProblem('receiving announcements', error));
    receiver.on('message', (bytes, { address }) => {
      // What is longer was cut into fragments by its sender: announcements never are.
      if (bytes.length <= maxDatagramBytes.ipv4) listener.onDatagram(bytes, address);
    });
  }

  use(announced: AnnouncedInterface): boolean {
    const { name, ipv4 } = announced;
    if (ipv4 === undefined) return false;
    const isNewHere = this.#join(name, ipv4);
    if (isNewHere === undefined) return false;
    const key = senderKey(announced);
    const known = this.#senders.get(key);
    if (known !== undefined && !isNewHere) return true;
    if (known !== undefined) void closeSocket(known);
    this.#senders.set(key, this.#openSender(key, name, ipv4));
    return true;
  }

  retain(interfaces: readonly AnnouncedInterface[]): void {
    const wanted = new Set(interfaces.map(senderKey));
    for (const [key, sender] of this.#senders) if (!wanted.has(key)) this.#leave(key, sender);
  }

  send(announced: AnnouncedInterface, message: Uint8Array): void {
    const sender = this.#senders.get(senderKey(announced));
    if (sender === undefined || message.length > maxDatagramBytes.ipv4) return;
    sender.send(message, multicastPort, multicastGroup, (error) => {
      if (error) this.#listener.onProblem(`announcing on ${announced.name}`, error);
    });
  }

  async close(): Promise<void> {
    const sockets = [this.#receiver, ...this.#senders.values()];
    this.#senders.clear();
    await Promise.all(sockets.map(closeSocket));
  }

  /** @returns whether this joined; nothing where it cannot be joined */
  #join(name: string, address: string): boolean | undefined {
    try {
      this.#receiver.addMembership(multicastGroup, address);
      return true;
    } catch (error) {
      if (isErrno(error, 'EADDRINUSE')) return false;
      this.#listener.onProblem(`joining ${multicastGroup} on ${name}`, error);
      return undefined;
    }
  }

  #openSender(key: string, name: string, address: string): Socket {
    const sender = createSocket({ type: 'udp4' });
    sender.on('error', (error) => this.#listener.onProblem(`announcing on ${name}`, error));
    sender.bind({ address, port: 0 }, () => {
      try {
        sender.setMulticastInterface(address);
        sender.setMulticastTTL(1);
        sender.setMulticastLoopback(true);
      } catch (error) {
        // Without its interface a socket would announce on whichever the routing table prefers.
        if (this.#senders.get(key) === sender) this.#senders.delete(key);
        sender.close();
        this.#listener.onProblem(`announcing on ${name}`, error);
      }
    });
    return sender;
  }

  #leave(key: string, sender: Socket): void {
    this.#senders.delete(key);
    void closeSocket(sender);
    const [, address] = key.split(' ');
    try {
      this.#receiver.dropMembership(multicastGroup, address);
    } catch {
      // The address is gone, and the membership with it.
    }
  }
}

function senderKey({ name, ipv4 = '' }: AnnouncedInterface): string {
  return `${name} ${ipv4}`;
}
