/** Our announcement as each network and each peer must see it: signed, with the address that we are reached at there. */
import { maxDatagramBytes, signAnnouncement } from '../../protocol/announcements.ts';
import type { Subscribe } from '../../protocol/documents.ts';
import { type ServerId, everyClient } from '../../protocol/identifiers.ts';
import type { Identity } from '../../tls/identity.ts';
import type { AnnouncedFacts } from './core-events.ts';
import { type AnnouncedInterface, furtherAddresses, isLinkLocal } from './interfaces.ts';

/** Addresses of ours; more than a machine has networks. */
const maxCached = 32;

/** Signs once for each address of ours, however many peers and repetitions there are. */
export class Announcer {
  readonly #id: ServerId;
  #port = 0;
  #identity: Identity;
  #facts: AnnouncedFacts | undefined;
  readonly #signed = new Map<string, Uint8Array>();

  constructor(identity: Identity, id: ServerId) {
    this.#identity = identity;
    this.#id = id;
  }

  /** The TCP port that we listen on, once it is known. */
  setPort(port: number): void {
    this.#port = port;
    this.#signed.clear();
  }

  get facts(): AnnouncedFacts | undefined {
    return this.#facts;
  }

  setFacts(facts: AnnouncedFacts): void {
    this.#facts = facts;
    this.#signed.clear();
  }

  setIdentity(identity: Identity): void {
    this.#identity = identity;
    this.#signed.clear();
  }

  /**
   * For the network of an interface: with as many further addresses as fit a datagram, as a server that is heard with few is
   * better than one that is not heard. Nothing before there are facts.
   *
   * @returns what may still be too long, with no further address at all
   */
  forInterface({ address, also, ipv6 }: AnnouncedInterface): Uint8Array | undefined {
    const limit = ipv6 === undefined ? maxDatagramBytes.ipv4 : maxDatagramBytes.ipv6;
    for (let count = also.length; count > 0; count -= 1) {
      const message = this.#sign(address, also.slice(0, count));
      if (message === undefined || message.length <= limit) return message;
    }
    return this.#sign(address, []);
  }

  /** For a peer that reaches us at that address of ours. */
  forPeer(localAddress: string, interfaces: readonly AnnouncedInterface[]): Uint8Array | undefined {
    const [local = ''] = localAddress.split('%');
    const address = isLinkLocal(local) ? interfaces[0]?.address : local;
    if (address === undefined) return undefined;
    const own = interfaces.find(({ ipv4, ipv6 }) => ipv4 === address || ipv6 === address);
    return this.#sign(address, furtherAddresses(address, own, interfaces));
  }

  #sign(ip: string, also: readonly string[]): Uint8Array | undefined {
    if (this.#facts === undefined) return undefined;
    const key = [ip, ...also].join(' ');
    const known = this.#signed.get(key);
    if (known !== undefined) return known;
    if (this.#signed.size >= maxCached) this.#signed.clear();
    const message = signAnnouncement(this.#describe(this.#facts, ip, also), this.#identity, Date.now());
    this.#signed.set(key, message);
    return message;
  }

  #describe(facts: AnnouncedFacts, ip: string, also: readonly string[]): Subscribe {
    const port = this.#port;
    return {
      kind: 'subscribe',
      to: everyClient,
      from: { id: this.#id, address: { ip, port } },
      ...facts,
      also: also.map((other) => ({ ip: other, port })),
    };
  }
}
