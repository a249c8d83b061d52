/** Which of the machine's networks we announce on, and at which address we are reached there. */
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';
import ipaddr from 'ipaddr.js';

/** A network that we announce on. */
export interface AnnouncedInterface {
  readonly name: string;
  /** Where others on this network reach us: `ipv4` if there is one, else `ipv6`. Never link-local, no zone. */
  readonly address: string;
  /** By which we join the IPv4 group here; none where there is no IPv4. */
  readonly ipv4?: string;
  /** None where there is no IPv6 but link-local, and on `lo`. */
  readonly ipv6?: string;
  /** Networks that are directly reached here, as `192.168.1.9/24`. */
  readonly networks: readonly string[];
  /** Further addresses of ours: those here, then those on other networks, where routers may lead; at most 8. */
  readonly also: readonly string[];
}

/** Which interfaces are taken: names or globs (`eth*`). */
export interface InterfaceSelection {
  /** Only these; empty is all but `lo`. */
  readonly interfaces: readonly string[];
  readonly excludeInterfaces: readonly string[];
}

/** Networks of containers and virtual machines: nothing there is a home server, and each has an address of ours. */
export const containerInterfaces: readonly string[] = [
  'cni*',
  'flannel*',
  'veth*',
  'cali*',
  'docker*',
  'br-*',
  'virbr*',
];

const maxInterfaces = 16;
/** What an announcement may name. */
const maxFurtherAddresses = 8;
const notMachines: ReadonlySet<string> = new Set(['multicast', 'broadcast', 'unspecified', 'linkLocal']);

/**
 * The interfaces to announce on, by name. `lo` only where it is named, as what is announced there is of use to this machine
 * alone; an interface that is named is taken even where the exclusions would match it.
 */
export function selectInterfaces(
  found: NodeJS.Dict<NetworkInterfaceInfo[]>,
  selection: InterfaceSelection,
): readonly AnnouncedInterface[] {
  const selected = Object.entries(found)
    .filter(([name, addresses]) => isSelected(name, addresses ?? [], selection))
    .flatMap(([name, addresses]) => describeInterface(name, addresses ?? []))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, maxInterfaces);
  return selected.map((own) => ({ ...own, also: furtherAddresses(own.address, own, selected) }));
}

/**
 * Our addresses besides the one that a message is about: on the same network first, then the main ones of the others, then the
 * rest. None of `lo`, which is another machine to everybody else.
 */
export function furtherAddresses(
  than: string,
  own: Pick<AnnouncedInterface, 'name' | 'address' | 'also'> | undefined,
  interfaces: readonly AnnouncedInterface[],
): readonly string[] {
  const others = interfaces.filter(({ name, address }) => name !== own?.name && !isLoopback(address));
  const all = [
    ...(own === undefined ? [] : [own.address, ...own.also]),
    ...others.map(({ address }) => address),
    ...others.flatMap(({ also }) => also),
  ];
  return [...new Set(all)].filter((address) => address !== than).slice(0, maxFurtherAddresses);
}

/** The machine's interfaces now, selected. */
export function scanInterfaces(selection: InterfaceSelection): readonly AnnouncedInterface[] {
  return selectInterfaces(networkInterfaces(), selection);
}

/** The interface in one of whose networks an address lies; none for a malformed address or a foreign network. */
export function interfaceOf(
  address: string,
  interfaces: readonly AnnouncedInterface[],
): AnnouncedInterface | undefined {
  if (!ipaddr.isValid(address)) return undefined;
  const parsed = ipaddr.process(address);
  return interfaces.find(({ networks }) => networks.some((network) => isWithin(parsed, network)));
}

/**
 * Whether a peer that says it is reached there may be called: a single machine in a network that we announce on. So nobody can
 * make us call whom they like by a signed message of long ago.
 */
export function isCallable(address: string, interfaces: readonly AnnouncedInterface[]): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (notMachines.has(parsed.range())) return false;
  return interfaces.some(({ networks }) =>
    networks.some((network) => isWithin(parsed, network) && !isEdgeOf(parsed, network)),
  );
}

/** Whether two scans found the same. */
export function areSameInterfaces(
  a: readonly AnnouncedInterface[],
  b: readonly AnnouncedInterface[],
): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function isSelected(
  name: string,
  addresses: readonly NetworkInterfaceInfo[],
  { interfaces, excludeInterfaces }: InterfaceSelection,
): boolean {
  if (interfaces.includes(name)) return true;
  if (addresses.some(({ internal }) => internal)) return false;
  if (excludeInterfaces.some((glob) => matchesGlob(name, glob))) return false;
  return interfaces.length === 0 || interfaces.some((glob) => matchesGlob(name, glob));
}

function describeInterface(name: string, addresses: readonly NetworkInterfaceInfo[]): AnnouncedInterface[] {
  const usable = addresses.filter(({ address, family, internal }) => {
    return !isLinkLocal(address) && !(internal && family === 'IPv6');
  });
  const ipv4 = usable.filter(({ family }) => family === 'IPv4').map(({ address }) => address);
  const ipv6 = usable.filter(({ family }) => family === 'IPv6').map(({ address }) => address);
  const [address, ...also] = [...ipv4.slice(0, 1), ...ipv6, ...ipv4.slice(1)];
  if (address === undefined) return [];
  return [
    {
      name,
      address,
      ...(ipv4[0] === undefined ? {} : { ipv4: ipv4[0] }),
      ...(ipv6[0] === undefined ? {} : { ipv6: ipv6[0] }),
      networks: usable.flatMap(({ cidr }) => (cidr === null ? [] : [cidr])),
      also,
    },
  ];
}

function isLoopback(address: string): boolean {
  return ipaddr.process(address).range() === 'loopback';
}

/** Such an address means something else on each network, so nobody can be sent to it. */
export function isLinkLocal(address: string): boolean {
  return !ipaddr.isValid(address) || ipaddr.process(address).range() === 'linkLocal';
}

function isWithin(address: ipaddr.IPv4 | ipaddr.IPv6, network: string): boolean {
  const [base, bits] = ipaddr.parseCIDR(network);
  return base.kind() === address.kind() && address.match(base, bits);
}

/** The network's own address or its broadcast address: no machine has it. */
function isEdgeOf(address: ipaddr.IPv4 | ipaddr.IPv6, network: string): boolean {
  const [base, bits] = ipaddr.parseCIDR(network);
  if (base.kind() === 'ipv6' || bits >= 31) return false;
  const edges = [ipaddr.IPv4.networkAddressFromCIDR(network), ipaddr.IPv4.broadcastAddressFromCIDR(network)];
  return edges.some((edge) => edge.toString() === address.toString());
}

function matchesGlob(name: string, glob: string): boolean {
  const pattern = glob
    .split('*')
    .map((literal) => literal.replaceAll(/[^\w-]/g, String.raw`\$&`))
    .join('.*');
  return new RegExp(`^${pattern}$`).test(name);
}
