/** Which of the machine's networks we announce on, and at which address we are reached there. */
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';
import ipaddr from 'ipaddr.js';

/** A network that we announce on. */
export interface AnnouncedInterface {
  readonly name: string;
  /** IPv4 address that others on this network reach us at. */
  readonly address: string;
  /** Networks that are directly reached here, as `192.168.1.9/24`. */
  readonly networks: readonly string[];
  /** IPv6 addresses (no zone, never link-local) by which we are reached here as well. */
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
const notMachines: ReadonlySet<string> = new Set(['multicast', 'broadcast', 'unspecified', 'linkLocal']);

/**
 * The interfaces to announce on, by name. `lo` only where it is named, as what is announced there is of use to this machine
 * alone; an interface that is named is taken even where the exclusions would match it.
 */
export function selectInterfaces(
  found: NodeJS.Dict<NetworkInterfaceInfo[]>,
  selection: InterfaceSelection,
): readonly AnnouncedInterface[] {
  return Object.entries(found)
    .filter(([name, addresses]) => isSelected(name, addresses ?? [], selection))
    .flatMap(([name, addresses]) => describeInterface(name, addresses ?? []))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, maxInterfaces);
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
  const usable = addresses.filter(({ address }) => !isLinkLocal(address));
  const ipv4 = usable.filter(({ family }) => family === 'IPv4');
  const first = ipv4[0];
  if (first === undefined) return [];
  const ipv6 = usable.filter(({ family, internal }) => family === 'IPv6' && !internal);
  return [
    {
      name,
      address: first.address,
      networks: [...ipv4, ...ipv6].flatMap(({ cidr }) => (cidr === null ? [] : [cidr])),
      also: ipv6.map(({ address }) => address),
    },
  ];
}

/** Such an address means something else on each network, so nobody can be sent to it. */
function isLinkLocal(address: string): boolean {
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
