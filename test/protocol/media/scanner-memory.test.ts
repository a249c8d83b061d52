import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { FrameHasher } from '../../../protocol/media/frame-hashes.ts';
import { createScanner } from '../../../protocol/media/scanners.ts';
import { annexB, hevcNal, nal, TransportStreamBuilder } from '../../support/transport-streams.ts';

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

/** Array buffers are freed some time after they were collected. */
async function heldBytes(): Promise<number> {
  for (let turn = 0; turn < 5; turn += 1) {
    if (typeof collect === 'function') collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** A small linear congruential generator: the same bytes each time. */
function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

const mebibyte = 1024 * 1024;
const streams = [[0x100, 0x1b]] as const;

/** Each gives about a mebibyte of hostile stream, other bytes each time. */
const attacks: Readonly<Record<string, (round: number) => Buffer>> = {
  noise: (round) => noise(mebibyte, round),
  'sync bytes only': () => Buffer.alloc(mebibyte, 0x47),
  'zeros only': () => Buffer.alloc(mebibyte),
  'a PES packet that never ends': () =>
    new TransportStreamBuilder()
      .tables(streams)
      .pes({ pid: 0x100, payload: Buffer.alloc(mebibyte, 9) })
      .bytes(),
  'a parameter set that never ends': () => {
    const payload = Buffer.concat([annexB([0x67]), Buffer.alloc(mebibyte, 9)]);
    return new TransportStreamBuilder().tables(streams).pes({ pid: 0x100, payload }).bytes();
  },
  'ever new parameter sets': (round) => {
    const stream = new TransportStreamBuilder().tables(streams);
    for (let id = 0; id < 1200; id += 1) {
      const set = [
        0x68,
        1,
        (id >> 4) & 0xff,
        ((id & 15) << 4) | 8,
        ...noise(600, round * 5000 + id).map((byte) => byte | 4),
      ];
      stream.pes({ pid: 0x100, payload: annexB(set, nal.idr) });
    }
    return stream.bytes();
  },
  'ever new parameter sets of H.265': (round) => {
    const stream = new TransportStreamBuilder().tables([[0x100, 0x24]]);
    for (let id = 0; id < 1200; id += 1) {
      // The id, 0 to 15, in Exp-Golomb code: as many zeros before it as it has digits behind the first.
      const code = ((id & 15) + 1).toString(2);
      const bits = Number.parseInt(`${'0'.repeat(code.length - 1)}${code}`.padEnd(16, '1'), 2);
      const rest = noise(900, round * 7000 + id).map((byte) => byte | 4);
      const set = [0x44, 1, bits >> 8, bits & 0xff, ...rest];
      stream.pes({ pid: 0x100, payload: annexB(hevcNal.vps, hevcNal.sps, set, hevcNal.inter) });
    }
    return stream.bytes();
  },
  'ever other programs': (round) => {
    const stream = new TransportStreamBuilder();
    for (let pid = 0; pid < 2500; pid += 1) {
      const first = 0x20 + ((pid * 7 + round) % 8000);
      stream.tables([[first, 0x1b]], { pmtPid: 0x20 + ((pid * 11 + round) % 8000) });
      stream.pes({ pid: first, payload: annexB(nal.sps, nal.pps, nal.idr) });
    }
    return stream.bytes();
  },
};

describe('what a reader of transport streams keeps', () => {
  it.each(Object.keys(attacks))('stays small under %s', async (name) => {
    const attack = attacks[name] ?? (() => Buffer.alloc(0));
    const scanner = createScanner('video/mp2t');
    const hasher = new FrameHasher();
    const empty = await heldBytes();
    const feed = (round: number): void => {
      const bytes = attack(round);
      for (let at = 0; at < bytes.length; at += 65_521) {
        scanner.push(bytes.subarray(at, at + 65_521));
        // Sources begin anew, too.
        if (at % 5 === 0) scanner.restart(round * bytes.length + at);
        hasher.push(bytes.subarray(at, at + 65_521));
      }
    };
    feed(0);
    const before = await heldBytes();
    // All of it that is ever held, with what the runtime compiled.
    expect(before - empty).toBeLessThan(3 * mebibyte);
    for (let round = 1; round <= 4; round += 1) feed(round);
    // 4 MiB went through; what the log of entries, 16 parameter sets and buffers may hold is far less than one.
    expect((await heldBytes()) - before).toBeLessThan(1.5 * mebibyte);
    expect(scanner.elementaryPids.length).toBeLessThanOrEqual(32);
    expect(scanner.preamble().length).toBeLessThan(64 * 1024);
  });
});
