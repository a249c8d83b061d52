/** Networks of any shape: segments (a bridge each) and hosts with ports on them, in namespaces of their own. */
import { spawnSync } from 'node:child_process';
import { inNamespace, ip, nameNetwork } from './namespaces.ts';

/** A port's segment and its addresses there, with prefix lengths: `10.1.0.11/24`, `fd00:1::11/64`. */
export interface PortPlan {
  readonly segment: string;
  readonly addresses: readonly string[];
}

export class TopologyHost {
  readonly namespace: string;
  readonly #attach: (port: string, plan: PortPlan) => void;

  constructor(namespace: string, attach: (port: string, plan: PortPlan) => void) {
    this.namespace = namespace;
    this.#attach = attach;
  }

  /** Puts in a network card; it is another one than an earlier one of that name. */
  attach(port: string, plan: PortPlan): void {
    this.#attach(port, plan);
  }

  /** Takes the card out. */
  detach(port: string): void {
    inNamespace(this.namespace, 'link', 'del', port);
  }

  addAddress(port: string, address: string): void {
    // Without waiting for a second host of the same address, which takes longer than a test.
    inNamespace(
      this.namespace,
      'address',
      'add',
      address,
      'dev',
      port,
      ...(address.includes(':') ? ['nodad'] : []),
    );
  }

  removeAddress(port: string, address: string): void {
    inNamespace(this.namespace, 'address', 'del', address, 'dev', port);
  }

  /** Reaches everything else through that router. */
  setRoute(via: string): void {
    inNamespace(this.namespace, 'route', 'add', 'default', 'via', via);
  }

  /** Reaches one network through that router. */
  setRouteTo(network: string, via: string): void {
    inNamespace(this.namespace, 'route', 'add', network, 'via', via);
  }

  /** Passes on what is for others, as a router does; never multicast. */
  forward(): void {
    writeInNamespace(this.namespace, '/proc/sys/net/ipv4/ip_forward', '1');
  }
}

export class Topology implements Disposable {
  readonly #base = nameNetwork();
  readonly #namespaces: string[] = [];
  #ports = 0;

  addSegment(name: string): void {
    const namespace = this.#addNamespace(`s-${name}`);
    inNamespace(namespace, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0');
    inNamespace(namespace, 'link', 'set', 'br0', 'up');
  }

  /** @param ports by name, as `eth0` */
  addHost(name: string, ports: Readonly<Record<string, PortPlan>>): TopologyHost {
    const namespace = this.#addNamespace(name);
    writeInNamespace(namespace, '/proc/sys/net/ipv6/conf/default/accept_dad', '0');
    inNamespace(namespace, 'link', 'set', 'lo', 'up');
    const host: TopologyHost = new TopologyHost(namespace, (port, plan) => this.#attach(host, port, plan));
    for (const [port, plan] of Object.entries(ports)) host.attach(port, plan);
    return host;
  }

  /** Takes a host away; what ran in it must have ended. A host of that name may come again. */
  removeHost(host: TopologyHost): void {
    ip('netns', 'del', host.namespace);
    this.#namespaces.splice(this.#namespaces.indexOf(host.namespace), 1);
  }

  /** What runs in it must have ended. */
  [Symbol.dispose](): void {
    for (const namespace of this.#namespaces) ip('netns', 'del', namespace);
  }

  #addNamespace(name: string): string {
    const namespace = `${this.#base}-${name}`;
    ip('netns', 'add', namespace);
    this.#namespaces.push(namespace);
    return namespace;
  }

  #attach(host: TopologyHost, port: string, { segment, addresses }: PortPlan): void {
    this.#ports += 1;
    const bridge = `${this.#base}-s-${segment}`;
    const socket = `port${this.#ports}`;
    inNamespace(bridge, 'link', 'add', socket, 'type', 'veth', 'peer', 'name', port, 'netns', host.namespace);
    inNamespace(bridge, 'link', 'set', socket, 'master', 'br0', 'up');
    for (const address of addresses) host.addAddress(port, address);
    inNamespace(host.namespace, 'link', 'set', port, 'up');
  }
}

function writeInNamespace(namespace: string, file: string, text: string): void {
  const write = spawnSync('ip', ['netns', 'exec', namespace, 'tee', file], { input: text, encoding: 'utf8' });
  if (write.status !== 0) throw new Error(`writing ${file} in ${namespace}: ${write.stderr.trim()}`);
}
