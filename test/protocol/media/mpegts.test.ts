import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeContinuity, PacketReader, parsePacketHeader } from '../../../protocol/media/mpegts.ts';
import { encodeDiscontinuity, encodePackets } from '../../../protocol/media/ts-encode.ts';

const packets = encodePackets(0x100, 15, new Uint8Array(184 * 6).fill(7), 'payload');

function offsetsOf(chunks: readonly Uint8Array[], start = 0): readonly number[] {
  const offsets: number[] = [];
  const reader = new PacketReader(start);
  for (const chunk of chunks) reader.push(chunk, (_bytes, _at, offset) => offsets.push(offset));
  return offsets;
}

function header(bytes: Uint8Array) {
  return parsePacketHeader(bytes, 0);
}

describe('packets of a transport stream', () => {
  it('are found wherever the chunks end', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(packets.length), { maxLength: 12 }), fc.nat(1000), (places, start) => {
        const cuts = [0, ...places.toSorted((a, b) => a - b), packets.length];
        const chunks = cuts.slice(1).map((end, index) => packets.subarray(cuts[index], end));
        expect(offsetsOf(chunks, start)).toEqual([0, 188, 376, 564, 752, 940].map((at) => start + at));
      }),
    );
  });

  it('are found again behind garbage, one lost for each gap', () => {
    const garbage = new Uint8Array(77).fill(0x11);
    const stream = Buffer.concat([packets.subarray(0, 376), garbage, packets.subarray(376)]);
    expect(offsetsOf([stream])).toEqual([0, 188, 453, 641, 829, 1017]);
  });

  it('are found in a stream that is joined in the middle of one', () => {
    expect(offsetsOf([packets.subarray(100)])).toEqual([88, 276, 464, 652, 840]);
  });

  it('are not believed in where two sync bytes happen to be a packet apart', () => {
    const noise = new Uint8Array(900).fill(0x11);
    noise[50] = 0x47;
    noise[238] = 0x47;
    expect(offsetsOf([noise, packets])).toEqual([900, 1088, 1276, 1464, 1652, 1840]);
  });

  it('are not read where the transport error indicator is set or the adaptation field does not fit', () => {
    const broken = packets.slice(0, 188);
    broken[1] = (broken[1] ?? 0) | 0x80;
    expect(header(broken)).toBeUndefined();
    const long = packets.slice(0, 188);
    long[3] = 0x30;
    long[4] = 183;
    expect(header(long)).toBeUndefined();
    long[4] = 182;
    expect(header(long)).toMatchObject({ payloadAt: 187, payloadEnd: 188 });
  });

  it('say what they are', () => {
    expect(header(packets.subarray(0, 188))).toMatchObject({
      pid: 0x100,
      isStart: true,
      continuity: 0,
      payloadAt: 4,
    });
    expect(header(packets.subarray(188))).toMatchObject({ pid: 0x100, isStart: false, continuity: 1 });
    expect(header(encodeDiscontinuity(0x1abc, 9))).toMatchObject({
      pid: 0x1abc,
      continuity: 9,
      hasPayload: false,
      discontinuity: true,
      payloadAt: 188,
    });
  });

  it.each([
    { last: undefined, counter: 5, payload: true, is: 'next' },
    { last: 4, counter: 5, payload: true, is: 'next' },
    { last: 15, counter: 0, payload: true, is: 'next' },
    { last: 5, counter: 5, payload: true, is: 'repeated' },
    { last: 5, counter: 5, payload: false, is: 'next' },
    { last: 5, counter: 6, payload: false, is: 'broken' },
    { last: 5, counter: 7, payload: true, is: 'broken' },
  ])('$counter after $last (payload: $payload) is $is', ({ last, counter, payload, is }) => {
    const packet = packets.slice(0, 188);
    packet[3] = (payload ? 0x10 : 0x20) | counter;
    if (!payload) packet[4] = 183;
    const parsed = header(packet);
    expect(parsed && judgeContinuity(parsed, last, parsed.tail)).toBe(is);
  });

  it('that ends in other bytes is no repetition of the one with its counter', () => {
    const packet = packets.slice(0, 188);
    const first = header(packet);
    for (let at = 180; at < 188; at += 1) {
      const other = packet.slice();
      other[at] = 8;
      expect(first && judgeContinuity(first, first.continuity, header(other)?.tail)).toBe('broken');
    }
  });
});
