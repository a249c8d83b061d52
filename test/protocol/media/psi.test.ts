import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32Mpeg, isSameTable, parsePat, parsePmt, SectionReader } from '../../../protocol/media/psi.ts';
import { patSection, pmtSection, pointed } from '../../support/transport-streams.ts';

const long = pmtSection(
  [
    [0x100, 0x1b],
    [0x101, 0x0f],
  ],
  3,
  200,
);

/** Pushes a payload in packets of 184 bytes, padded as sections are. */
function read(payload: Uint8Array, reader = new SectionReader()): readonly Uint8Array[] {
  const padded = Buffer.alloc(Math.ceil(payload.length / 184) * 184, 0xff);
  padded.set(payload);
  const found: Uint8Array[] = [];
  for (let at = 0; at < padded.length; at += 184) found.push(...reader.push(padded, at, at + 184, at === 0));
  return found;
}

describe('sections', () => {
  it('have the CRC of the standard', () => {
    // The check value of CRC-32/MPEG-2.
    expect(crc32Mpeg(Buffer.from('123456789'))).toBe(0x0376e6e7);
  });

  it('are read over several packets, and several from one packet', () => {
    expect(read(pointed(long))).toEqual([long].map((section) => new Uint8Array(section)));
    const two = Buffer.concat([pointed(patSection(0x20)), patSection(0x30)]);
    expect(read(two).map(parsePat)).toEqual([0x20, 0x30]);
  });

  it('that end behind a pointer are read, and the next one with them', () => {
    const reader = new SectionReader();
    const first = pointed(long).subarray(0, 184);
    const rest = pointed(long).subarray(184);
    const middle = rest.subarray(0, 184);
    const last = rest.subarray(184);
    const next = patSection(0x44);
    const packet = Buffer.alloc(184, 0xff);
    packet.set([last.length, ...last, ...next]);
    expect(reader.push(first, 0, 184, true)).toHaveLength(0);
    expect(reader.push(middle, 0, 184, false)).toHaveLength(0);
    const found = reader.push(packet, 0, 184, true);
    expect(found).toHaveLength(2);
    expect(found[1] && parsePat(found[1])).toBe(0x44);
  });

  it('with any bit flipped are dropped', () => {
    fc.assert(
      fc.property(fc.nat(long.length * 8 - 1), (bit) => {
        const flipped = Uint8Array.from(long);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(read(pointed(flipped))).toEqual([]);
      }),
    );
  });

  it('that claim more than the standard allows are dropped, and the next one is read', () => {
    const reader = new SectionReader();
    expect(read(pointed(Uint8Array.of(2, 0xbf, 0xff, ...new Uint8Array(600))), reader)).toEqual([]);
    expect(read(pointed(long), reader)).toHaveLength(1);
  });
});

describe('PAT and PMT', () => {
  it('name the program and its streams', () => {
    expect(parsePat(patSection(0x1abc))).toBe(0x1abc);
    expect(parsePmt(long)).toEqual({
      pcrPid: 0x100,
      streams: [
        { pid: 0x100, streamType: 0x1b },
        { pid: 0x101, streamType: 0x0f },
      ],
    });
  });

  it('that are not valid yet are not read', () => {
    const next = Uint8Array.from(long);
    next[5] = (next[5] ?? 0) & ~1;
    expect(parsePmt(next)).toBeUndefined();
    expect(parsePat(long)).toBeUndefined();
    expect(parsePmt(patSection(0x20))).toBeUndefined();
  });

  it('whose lengths do not fit are not read', () => {
    for (let at = 10; at < 22; at += 1) {
      const wrong = Uint8Array.from(long);
      wrong[at] = 0xff;
      const parsed = parsePmt(wrong);
      expect(parsed === undefined || parsed.streams.length <= 2).toBe(true);
    }
    const beyond = Uint8Array.from(long);
    beyond[11] = 0xff;
    expect(parsePmt(beyond)).toBeUndefined();
  });

  it('are the same whatever their version', () => {
    const streams = [[0x100, 0x1b]] as const;
    expect(isSameTable(pmtSection(streams, 1), pmtSection(streams, 2))).toBe(true);
    expect(isSameTable(pmtSection(streams), pmtSection([[0x101, 0x1b]]))).toBe(false);
  });
});
