import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readUe } from '../../../protocol/media/exp-golomb.ts';
import { parameterSetId, parseSliceStart } from '../../../protocol/media/h264.ts';
import { NalHeadReader, unescapeNal } from '../../../protocol/media/nal-heads.ts';
import { hasRecoveryPoint } from '../../../protocol/media/sei.ts';
import { nal } from '../../support/transport-streams.ts';

describe('H.264 units', () => {
  it.each([
    { second: 0b1_1_000000, type: 'P (0)', isIntra: false },
    { second: 0b1_010_0000, type: 'B (1)', isIntra: false },
    { second: 0b1_011_0000, type: 'I (2)', isIntra: true },
    { second: 0b1_00101_00, type: 'SI (4)', isIntra: true },
    { second: 0b1_00110_00, type: 'all P (5)', isIntra: false },
    { second: 0b1_0001000, type: 'all I (7)', isIntra: true },
    { second: 0b1_0001010, type: 'all SI (9)', isIntra: true },
  ])('begin a picture with a slice of type $type', ({ second, isIntra }) => {
    expect(parseSliceStart(second)).toEqual({ isFirst: true, isIntra });
  });

  it('go on with a picture where the first macroblock is another', () => {
    expect(parseSliceStart(0b010_1_0000).isFirst).toBe(false);
  });

  it('tell the id of a parameter set, also behind an escape', () => {
    expect(parameterSetId(Uint8Array.from(nal.sps))).toBe(0);
    expect(parameterSetId(Uint8Array.from(nal.pps))).toBe(0);
    expect(parameterSetId(Uint8Array.of(0x67, 0, 0, 3, 1, 0b00101_000))).toBe(4);
    expect(parameterSetId(Uint8Array.of(0x68))).toBeUndefined();
  });

  it('show a recovery point among other messages', () => {
    const unregistered = [5, 20, ...Array.from({ length: 20 }, () => 9)];
    const big = [5, 0xff, 10, ...Array.from({ length: 265 }, () => 9)];
    expect(hasRecoveryPoint(Uint8Array.from(nal.recoveryPoint), 1)).toBe(true);
    expect(hasRecoveryPoint(Uint8Array.of(6, ...unregistered, 6, 1, 0xc4, 0x80), 1)).toBe(true);
    expect(hasRecoveryPoint(Uint8Array.of(6, ...big, 6, 1, 0xc4, 0x80), 1)).toBe(true);
    expect(hasRecoveryPoint(Uint8Array.of(6, ...unregistered, 0x80), 1)).toBe(false);
    expect(hasRecoveryPoint(Uint8Array.of(6, 0xff, 0xff, 0xff), 1)).toBe(false);
  });

  it('end in nothing worse than "unknown" for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(600), (bytes, bit) => {
        const value = readUe(bytes, bit);
        expect(value === undefined || (value >= 0 && value < 2 ** 32)).toBe(true);
        expect(typeof hasRecoveryPoint(bytes, 1)).toBe('boolean');
        expect(unescapeNal(bytes).length).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});

describe('the beginnings of NAL units', () => {
  const stream = Uint8Array.of(
    0,
    0,
    0,
    1,
    9,
    0xf0,
    0,
    0,
    1,
    0x67,
    1,
    0,
    0,
    3,
    1,
    0,
    0,
    0,
    1,
    0x65,
    0x88,
    5,
    6,
    7,
  );

  function headsOf(cut: number): readonly (readonly number[])[] {
    const reader = new NalHeadReader((header) => (header === 0x65 ? 2 : header === 9 ? 0 : 100));
    const heads: number[][] = [];
    for (const chunk of [stream.subarray(0, cut), stream.subarray(cut)]) {
      for (let at = 0; at < chunk.length;) {
        const next = reader.push(chunk, at, chunk.length);
        if (next.head !== undefined) heads.push([...next.head.bytes]);
        at = next.at;
      }
    }
    return heads;
  }

  it('are found wherever the chunks end, whole ones without the zeros behind them', () => {
    for (let cut = 0; cut <= stream.length; cut += 1) {
      expect(headsOf(cut)).toEqual([
        [0x67, 1, 0, 0, 3, 1],
        [0x65, 0x88],
      ]);
    }
  });

  it('tell that bytes came before the first one', () => {
    const reader = new NalHeadReader(() => 2);
    reader.push(Uint8Array.of(0, 0, 0, 1, 9), 0, 5);
    expect(reader.hasJunk).toBe(false);
    reader.reset();
    reader.push(Uint8Array.of(5, 0, 0, 1, 9), 0, 5);
    expect(reader.hasJunk).toBe(true);
  });
});
