/** The IPv6 group: a socket an interface, as link-local groups are another one on each. It hears and speaks. */
import { createSocket, type Socket } from 'node:dgram';
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

/** Link-local scope (RFC 4291, section 2.7): no router passes it on. */
export const multicastGroupIpv6 = 'ff02::4853:5031';

interface Port {
  readonly socket: Socket;
  /** Whether it is bound and has joined: before, a socket must not be asked for memberships, as that binds it anywhere. */
  isReady: boolean;
}

export class Ipv6Group implements MulticastGroup {
  readonly #listener: GroupListener;
  readonly #ports = new Map<string, Port>();
  readonly #binding = new Set<Promise<void>>();

  constructor(listener: GroupListener) {
    this.#listener = listener;
  }

  use({ name, ipv6 }: AnnouncedInterface): boolean {
    if (ipv6 === undefined) return false;
    const known = this.#ports.get(name);
    if (known?.isReady === false) return true;
    if (known !== undefined) {
      if (this.#isStillJoined(known.socket, name)) return true;
      this.#leave(name, known);
    }
    this.#open(name);
    return true;
  }

  retain(interfaces: readonly AnnouncedInterface[]): void {
    const wanted = new Set(interfaces.filter(({ ipv6 }) => ipv6 !== undefined).map(({ name }) => name));
    for (const [name, port] of this.#ports) if (!wanted.has(name)) this.#leave(name, port);
  }

  send({ name }: AnnouncedInterface, message: Uint8Array): void {
    const port = this.#ports.get(name);
    if (port === undefined || message.length > maxDatagramBytes.ipv6) return;
    // Before it is bound this waits.
    port.socket.send(message, multicastPort, `${multicastGroupIpv6}%${name}`, (error) => {
      if (error) this.#listener.onProblem(`announcing on ${name}`, error);
    });
  }

  /** Resolves when what is being opened is open, or has failed. */
  async ready(): Promise<void> {
    await Promise.all(this.#binding);
  }

  async close(): Promise<void> {
    const ports = [...this.#ports.values()];
    this.#ports.clear();
    await this.ready();
    await Promise.all(ports.map(({ socket }) => closeSocket(socket)));
  }

  /** An interface of the same name that is another one now can be joined anew; the socket is bound to the old one for ever. */
  #isStillJoined(socket: Socket, name: string): boolean {
    try {
      socket.addMembership(multicastGroupIpv6, `::%${name}`);
      return false;
    } catch (error) {
      return isErrno(error, 'EADDRINUSE');
    }
  }

  #open(name: string): void {
    const socket = createSocket({
      type: 'udp6',
      reuseAddr: true,
      ipv6Only: true,
      recvBufferSize: receiveBufferBytes,
    });
    const port: Port = { socket, isReady: false };
    this.#ports.set(name, port);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#binding.add(promise);
    const settle = () => {
      this.#binding.delete(promise);
      resolve();
    };
    socket.on('error', (error) => {
      if (!port.isReady) this.#leave(name, port);
      this.#listener.onProblem(`announcing on ${name}`, error);
      settle();
    });
    socket.on('message', (bytes, { address }) => {
      if (bytes.length <= maxDatagramBytes.ipv6) this.#listener.onDatagram(bytes, address, name);
    });
    socket.bind({ address: `${multicastGroupIpv6}%${name}`, port: multicastPort }, () => {
      this.#join(name, port);
      settle();
    });
  }

  #join(name: string, port: Port): void {
    // Closed while it was being bound.
    if (this.#ports.get(name) !== port) return;
    const { socket } = port;
    try {
      socket.addMembership(multicastGroupIpv6, `::%${name}`);
      socket.setMulticastInterface(`::%${name}`);
      socket.setMulticastTTL(1);
      socket.setMulticastLoopback(true);
      port.isReady = true;
    } catch (error) {
      this.#leave(name, port);
      this.#listener.onProblem(`joining ${multicastGroupIpv6} on ${name}`, error);
    }
  }

  #leave(name: string, port: Port): void {
    if (this.#ports.get(name) === port) this.#ports.delete(name);
    void closeSocket(port.socket);
  }
}
