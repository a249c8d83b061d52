import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeTimestamp, PesHeaderReader, ptsDifference, ptsWrap } from '../../../protocol/media/pes.ts';

const time = fc.integer({ min: 0, max: ptsWrap - 1 });

function headerOf(pts: number, dts: number): Buffer {
  const start = Uint8Array.of(0, 0, 1, 0xe0, 0, 0, 0x80, 0xc0, 13);
  return Buffer.concat([
    start,
    encodeTimestamp(pts, 3),
    encodeTimestamp(dts, 1),
    Uint8Array.of(0xff, 0xff, 0xff),
  ]);
}

describe('a PES header', () => {
  it('gives its times back, wherever it is cut', () => {
    fc.assert(
      fc.property(time, time, fc.nat(22), (pts, dts, cut) => {
        const bytes = Buffer.concat([headerOf(pts, dts), Uint8Array.of(1, 2, 3)]);
        const reader = new PesHeaderReader();
        const first = reader.push(bytes, 0, cut);
        const read = first === 'more' ? reader.push(bytes, cut, bytes.length) : first;
        expect(read).toEqual({ header: { streamId: 0xe0, pts, dts }, payloadAt: 22 });
      }),
    );
  });

  it.each([
    { what: 'no start code', bytes: [0, 0, 2, 0xe0] },
    { what: 'a padding stream', bytes: [0, 0, 1, 0xbe] },
    { what: 'a program stream map', bytes: [0, 0, 1, 0xbc] },
    { what: 'MPEG-1 marker bits', bytes: [0, 0, 1, 0xe0, 0, 0, 0x40] },
  ])('is refused with $what', ({ bytes }) => {
    expect(new PesHeaderReader().push(Uint8Array.from(bytes), 0, bytes.length)).toBe('bad');
  });

  it('that has no room for the time it promises has none', () => {
    const bytes = Uint8Array.of(0, 0, 1, 0xc0, 0, 0, 0x80, 0x80, 2, 9, 9, 5);
    expect(new PesHeaderReader().push(bytes, 0, 12)).toEqual({ header: { streamId: 0xc0 }, payloadAt: 11 });
  });
});

describe('the difference of two times', () => {
  it('is right across the wrap', () => {
    expect(ptsDifference(10, ptsWrap - 20)).toBe(30);
    expect(ptsDifference(ptsWrap - 20, 10)).toBe(-30);
    fc.assert(
      fc.property(time, fc.integer({ min: -(2 ** 32), max: 2 ** 32 - 1 }), (from, step) => {
        const to = (from + step + ptsWrap) % ptsWrap;
        expect(ptsDifference(to, from)).toBe(step);
      }),
    );
  });
});
