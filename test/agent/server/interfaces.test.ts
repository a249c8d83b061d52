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

  it('announces the first address that is not link-local, and IPv6 beside it', () => {
    const [eth0, eth1] = selectInterfaces(machine, {
      interfaces: [],
      excludeInterfaces: containerInterfaces,
    });
    expect(eth0).toMatchObject({ address: '192.168.1.9', also: ['fd00::9'] });
    expect(eth1).toMatchObject({ address: '10.0.0.4', networks: ['10.0.0.4/8', '10.9.0.4/16'], also: [] });
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
