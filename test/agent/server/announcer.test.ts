import { describe, expect, it } from 'vitest';
import { Announcer } from '../../../agent/server/announcer.ts';
import type { AnnouncedInterface } from '../../../agent/server/interfaces.ts';
import { maxDatagramBytes, verifyAnnouncement } from '../../../protocol/announcements.ts';
import { formatEndpoint } from '../../../protocol/endpoints.ts';
import { isServerId } from '../../../protocol/identifiers.ts';
import { mintHome } from '../../support/certificates.ts';

const home = await mintHome();
const identity = await home.server('pi');
const { id } = identity.leaf;
if (!isServerId(id)) throw new Error(`${id} is no server`);

const eth0: AnnouncedInterface = {
  name: 'eth0',
  address: '192.168.1.9',
  ipv4: '192.168.1.9',
  ipv6: 'fd00::9',
  networks: ['192.168.1.9/24', 'fd00::9/64'],
  also: ['fd00::9', '10.0.0.4'],
};
const eth1: AnnouncedInterface = {
  name: 'eth1',
  address: '10.0.0.4',
  ipv4: '10.0.0.4',
  networks: ['10.0.0.4/8'],
  also: ['192.168.1.9', 'fd00::9'],
};

/** @param featureCount the more, the longer its announcement */
function announcerOf(featureCount: number): Announcer {
  const announcer = new Announcer(identity, isServerId(id) ? id : 'hcsp:');
  announcer.setPort(17_320);
  const features = Array.from({ length: featureCount }, (_, index) => `feature-${index}`.padEnd(32, 'x'));
  announcer.setFacts({ features, connected: 0, max: 5, order: { boot: 1, seq: 1 } });
  return announcer;
}

/** The addresses of a message, the main one first. */
function addressesOf(message: Uint8Array | undefined): readonly string[] {
  if (message === undefined) return [];
  const verified = verifyAnnouncement(message, home.trust, Date.now());
  if (!verified.ok) throw new Error(verified.detail);
  const { from, also } = verified.value.subscribe;
  return [from.address, ...also].map(formatEndpoint);
}

describe('an announcement of ours', () => {
  it('says nothing before there is something to say', () => {
    expect(new Announcer(identity, id).forInterface(eth0)).toBeUndefined();
  });

  it('says on each network the address there first', () => {
    const announcer = announcerOf(1);
    expect(addressesOf(announcer.forInterface(eth0))).toEqual([
      '192.168.1.9:17320',
      '[fd00::9]:17320',
      '10.0.0.4:17320',
    ]);
    expect(addressesOf(announcer.forInterface(eth1))[0]).toBe('10.0.0.4:17320');
  });

  it('leaves out further addresses, the last ones first, before it does not fit a datagram', () => {
    const lengths = new Set<number>();
    for (let count = 0; count <= 32; count += 1) {
      const message = announcerOf(count).forInterface(eth0);
      const addresses = addressesOf(message);
      lengths.add(addresses.length);
      expect(addresses[0]).toBe('192.168.1.9:17320');
      const hasFurther = addresses.length > 1;
      expect(hasFurther && (message?.length ?? 0) > maxDatagramBytes.ipv6).toBe(false);
    }
    expect(lengths).toEqual(new Set([3, 2, 1]));
  });

  it('says on a link the address that the peer reaches, and all others', () => {
    const announcer = announcerOf(1);
    expect(addressesOf(announcer.forPeer('fd00::9', [eth0, eth1]))).toEqual([
      '[fd00::9]:17320',
      '192.168.1.9:17320',
      '10.0.0.4:17320',
    ]);
    expect(addressesOf(announcer.forPeer('127.0.0.1', []))).toEqual(['127.0.0.1:17320']);
  });

  it('never says a link-local address, whoever reached it', () => {
    const announcer = announcerOf(1);
    expect(addressesOf(announcer.forPeer('fe80::1%eth0', [eth0]))).toEqual(
      addressesOf(announcer.forInterface(eth0)),
    );
    expect(announcer.forPeer('fe80::1%eth0', [])).toBeUndefined();
  });
});
