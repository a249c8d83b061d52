import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import {
  containerInterfaces,
  interfaceOf,
  isCallable,
  selectInterfaces,
} from '../../../agent/server/interfaces.ts';

const machine = {
  lo: [ipv4('127.0.0.1', 8, true), ipv6('::1', 128, true)],
  eth0: [ipv4('192.168.1.9', 24), ipv6('fd00::9', 64), ipv6('fe80::1', 64)],
  eth1: [ipv4('169.254.7.7', 16), ipv4('10.0.0.4', 8), ipv4('10.9.0.4', 16)],
  wlan0: [ipv4('169.254.3.3', 16)],
  docker0: [ipv4('172.17.0.1', 16)],
  'br-1f2e': [ipv4('172.18.0.1', 16)],
  cni0: [ipv4('10.42.0.1', 24)],
  veth9a: [ipv4('10.43.0.1', 24)],
};

describe('selectInterfaces', () => {
  it.each([
    { interfaces: [], names: ['eth0', 'eth1'], why: 'networks of containers and lo are left out by default' },
    { interfaces: ['lo'], names: ['lo'], why: 'lo is taken where it is named' },
    { interfaces: ['*'], names: ['eth0', 'eth1'], why: 'a glob does not name lo' },
    { interfaces: ['eth*'], names: ['eth0', 'eth1'], why: 'a glob chooses' },
    {
      interfaces: ['docker0', 'eth0'],
      names: ['docker0', 'eth0'],
      why: 'a name is stronger than an exclusion',
    },
    { interfaces: ['docker*'], names: [], why: 'an exclusion is stronger than a glob' },
    { interfaces: ['e.h0'], names: [], why: 'only * is special' },
    { interfaces: ['tun7'], names: [], why: 'what is not there is not taken' },
  ])('$why', ({ interfaces, names }) => {
    const selected = selectInterfaces(machine, { interfaces, excludeInterfaces: containerInterfaces });
    expect(selected.map(({ name }) => name)).toEqual(names);
  });

  it('announces on each interface the address there, and the others behind it, its own network first', () => {
    const [eth0, eth1] = selectInterfaces(machine, {
      interfaces: [],
      excludeInterfaces: containerInterfaces,
    });
    expect(eth0).toEqual({
      name: 'eth0',
      address: '192.168.1.9',
      ipv4: '192.168.1.9',
      ipv6: 'fd00::9',
      networks: ['192.168.1.9/24', 'fd00::9/64'],
      also: ['fd00::9', '10.0.0.4', '10.9.0.4'],
    });
    expect(eth1).toEqual({
      name: 'eth1',
      address: '10.0.0.4',
      ipv4: '10.0.0.4',
      networks: ['10.0.0.4/8', '10.9.0.4/16'],
      also: ['10.9.0.4', '192.168.1.9', 'fd00::9'],
    });
  });

  it('takes an interface that has IPv6 only, and none that has link-local addresses only', () => {
    const found = { eth0: [ipv6('fe80::1', 64), ipv6('fd00::9', 64)], eth1: [ipv6('fe80::2', 64)] };
    const interfaces = selectInterfaces(found, { interfaces: [], excludeInterfaces: [] });
    expect(interfaces).toEqual([
      { name: 'eth0', address: 'fd00::9', ipv6: 'fd00::9', networks: ['fd00::9/64'], also: [] },
    ]);
  });

  it('names at most 8 further addresses, and none of lo to anybody else', () => {
    const found = Object.fromEntries(
      Array.from({ length: 12 }, (_, index) => [`eth${index + 10}`, [ipv4(`10.${index}.0.1`, 16)]]),
    );
    const interfaces = selectInterfaces(
      { ...found, lo: machine.lo },
      { interfaces: ['lo', 'eth*'], excludeInterfaces: [] },
    );
    const [first] = interfaces;
    expect(first?.address).toBe('10.0.0.1');
    expect(first?.also).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((index) => `10.${index}.0.1`));
    expect(interfaces.filter(({ name }) => name !== 'lo').flatMap(({ also }) => also)).not.toContain(
      '127.0.0.1',
    );
  });

  it('uses lo for IPv4 only', () => {
    const [lo] = selectInterfaces(machine, { interfaces: ['lo'], excludeInterfaces: [] });
    expect(lo).toMatchObject({ address: '127.0.0.1', networks: ['127.0.0.1/8'], also: [] });
  });
});

describe('interfaceOf', () => {
  const interfaces = selectInterfaces(machine, { interfaces: ['eth0', 'eth1', 'lo'], excludeInterfaces: [] });

  it.each([
    ['192.168.1.200', 'eth0'],
    ['10.200.0.1', 'eth1'],
    ['127.0.0.3', 'lo'],
    ['fd00::1', 'eth0'],
    ['::ffff:192.168.1.7', 'eth0'],
    ['192.168.2.1', undefined],
    ['8.8.8.8', undefined],
    ['fe80::1', undefined],
    ['not an address', undefined],
  ])('finds the network of %s', (address, name) => {
    expect(interfaceOf(address, interfaces)?.name).toBe(name);
  });
});

describe('isCallable', () => {
  const interfaces = selectInterfaces(machine, { interfaces: ['eth0', 'eth1', 'lo'], excludeInterfaces: [] });

  it.each([
    ['192.168.1.200', true],
    ['10.200.0.1', true],
    ['127.0.0.1', true],
    ['fd00::77', true],
    ['192.168.1.255', false],
    ['192.168.1.0', false],
    ['10.255.255.255', false],
    ['192.168.2.9', false],
    ['224.0.0.251', false],
    ['255.255.255.255', false],
    ['0.0.0.0', false],
    ['169.254.169.254', false],
    ['fe80::1', false],
    ['8.8.8.8', false],
    ['nuc.local', false],
  ])('%s: %s', (address, expected) => {
    expect(isCallable(address, interfaces)).toBe(expected);
  });
});

function ipv4(address: string, bits: number, internal = false): NetworkInterfaceInfo {
  return { family: 'IPv4', address, internal, cidr: `${address}/${bits}`, netmask: '', mac: '' };
}

function ipv6(address: string, bits: number, internal = false): NetworkInterfaceInfo {
  return { family: 'IPv6', address, internal, cidr: `${address}/${bits}`, netmask: '', mac: '', scopeid: 0 };
}
