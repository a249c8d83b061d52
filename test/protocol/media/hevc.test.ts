import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashFrames } from '../../../protocol/media/frame-hashes.ts';
import { layerId, nalType, parameterSetId } from '../../../protocol/media/hevc.ts';
import type { Mark } from '../../../protocol/media/scanner.ts';
import { createScanner } from '../../../protocol/media/scanners.ts';
import { annexB, hevcNal as nal, TransportStreamBuilder } from '../../support/transport-streams.ts';

const video = 0x100;
const streamType = 0x24;
const sets = [nal.vps, nal.sps, nal.pps];

type Units = readonly (readonly number[])[];

/** A stream with a PES packet of each of these. */
function streamOf(...frames: readonly Units[]): Buffer {
  const stream = new TransportStreamBuilder().tables([[video, streamType]]);
  for (const [index, units] of frames.entries()) {
    stream.pes({ pid: video, payload: annexB(...units), pts: 9000 + index * 3600 });
  }
  return stream.bytes();
}

function marksOf(bytes: Uint8Array): readonly Mark[] {
  return createScanner('video/mp2t').push(bytes);
}

function cutsOf(...frames: readonly Units[]) {
  return marksOf(streamOf(...frames)).filter((mark) => mark.kind === 'cut');
}

describe('H.265 units', () => {
  it('have a type and a layer in their two bytes of header', () => {
    expect([nal.vps, nal.idr, nal.cra, nal.recoveryPoint].map(([first = 0]) => nalType(first))).toEqual([
      32, 20, 21, 39,
    ]);
    expect(layerId(Uint8Array.from(nal.inter))).toBe(0);
    expect(layerId(Uint8Array.from(nal.secondLayer))).toBe(1);
    expect(layerId(Uint8Array.of(0x43, 0xf9))).toBe(63);
  });

  it('tell the id of a parameter set', () => {
    expect(parameterSetId(Uint8Array.of(0x40, 1, 0x3c))).toBe(3);
    expect(parameterSetId(Uint8Array.from(nal.sps))).toBe(0);
    expect(parameterSetId(Uint8Array.of(0x44, 1, 0b00101_000))).toBe(4);
    expect(parameterSetId(Uint8Array.of(0x44, 1))).toBeUndefined();
    expect(parameterSetId(Uint8Array.of(0x42, 1, 1, 0x60))).toBeUndefined();
  });

  it.each([
    { what: 'none', subLayers: 0, flags: [], more: 0 },
    { what: 'two without a word of their own', subLayers: 2, flags: [0, 0], more: 2 },
    { what: 'two with levels', subLayers: 2, flags: [0b0101_0000, 0], more: 2 + 2 },
    { what: 'three, one with profile and level', subLayers: 3, flags: [0b0011_0000, 0], more: 2 + 12 },
    { what: 'six with all', subLayers: 6, flags: [0xff, 0xf0], more: 2 + 6 * 12 },
  ])('tell the id of an SPS behind sub-layers: $what', ({ subLayers, flags, more }) => {
    const general = Array.from({ length: 12 }, () => 0x60);
    const rest = [...flags, ...Array.from({ length: more - flags.length }, () => 0x55)];
    // ue(v) 3 is 00100.
    const set = [0x42, 1, (subLayers << 1) | 1, ...general, ...rest, 0b00100_111];
    expect(parameterSetId(Uint8Array.from(set))).toBe(3);
  });

  it('whatever they hold, have an id in range or none', () => {
    fc.assert(
      fc.property(fc.constantFrom(0x40, 0x42, 0x44), fc.uint8Array({ maxLength: 200 }), (first, rest) => {
        const id = parameterSetId(Uint8Array.of(first, 1, ...rest));
        expect(id === undefined || (id >= 0 && id < 64)).toBe(true);
      }),
    );
  });
});

describe('cuts of an H.265 stream', () => {
  it.each([
    { what: 'an IDR picture', units: [nal.delimiter, nal.idr], quality: 'idr' },
    { what: 'an IDR picture that others lead', units: [...sets, nal.idrWithLeading], quality: 'idr' },
    { what: 'a BLA picture', units: [nal.delimiter, ...sets, nal.bla], quality: 'idr' },
    { what: 'a CRA picture', units: [nal.delimiter, ...sets, nal.cra], quality: 'recovery' },
    { what: 'a recovery point', units: [nal.delimiter, nal.recoveryPoint, nal.inter], quality: 'recovery' },
    { what: 'parameter sets anew', units: [nal.delimiter, ...sets, nal.inter], quality: 'recovery' },
    { what: 'an inter picture', units: [nal.delimiter, nal.inter], quality: undefined },
    { what: 'the rest of an IDR picture', units: [nal.idrSlice], quality: undefined },
    { what: 'an IDR picture behind another one', units: [nal.inter, nal.idr], quality: undefined },
    { what: 'another layer', units: [[0x28, 0x09, 0xaf, 0x33]], quality: undefined },
    { what: 'reserved types', units: [[0x2c, 1, 0xaf]], quality: undefined },
  ])('of $what: $quality', ({ units, quality }) => {
    expect(cutsOf(units)[0]?.quality).toBe(quality);
  });

  it.each([16, 17, 18, 19, 20, 21])('are made of random access pictures of type %i', (type) => {
    expect(cutsOf([[type << 1, 1, 0xaf, 0x33]])).toMatchObject([{ offset: 376, pts: 9000 }]);
  });

  it('are not made of parameter sets that come with every picture', () => {
    const each = [nal.delimiter, ...sets];
    const qualities = cutsOf(
      [...each, nal.idr],
      [...each, nal.inter],
      [...each, nal.cra],
      [...each, nal.inter],
    );
    expect(qualities.map(({ quality }) => quality)).toEqual(['idr', 'recovery']);
  });

  it('change with another SPS, and not with another PPS', () => {
    const changesOf = (...units: Units) =>
      marksOf(streamOf([...sets, nal.idr], units)).filter((mark) => mark.kind === 'change');
    expect(changesOf(nal.vps, nal.sps, nal.otherPps, nal.idr)).toEqual([]);
    expect(changesOf(nal.vps, nal.otherSps, nal.pps, nal.idr)).toMatchObject([
      { what: 'codec', offset: 564 },
    ]);
  });

  it('go behind all three parameter sets where they come without', () => {
    const bytes = streamOf(
      [...sets, nal.idr],
      [nal.delimiter, nal.cra],
      [nal.vps, nal.sps, nal.pps, nal.cra],
    );
    const scanner = createScanner('video/mp2t');
    const [, bare, own] = scanner.push(bytes).filter((mark) => mark.kind === 'cut');
    const needle = Buffer.from(annexB(...sets));
    expect(Buffer.from(scanner.preamble(bare?.offset)).includes(needle)).toBe(true);
    expect(Buffer.from(scanner.preamble(own?.offset)).includes(needle)).toBe(false);
  });

  it('do not depend on where chunks end', () => {
    const units = fc.constantFrom(...Object.values(nal));
    const frames = fc.array(fc.array(units, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }), (given, sizes) => {
        const bytes = streamOf(...given);
        const scanner = createScanner('video/mp2t');
        const marks: Mark[] = [];
        for (let at = 0, index = 0; at < bytes.length; index += 1) {
          const size = sizes[index % sizes.length] ?? 1;
          marks.push(...scanner.push(bytes.subarray(at, at + size)));
          at += size;
        }
        expect(marks).toEqual(marksOf(bytes));
      }),
      { numRuns: 200 },
    );
  });
});

describe('the hash of an H.265 frame', () => {
  const md5 = (...units: Units): string => {
    const bytes = units.flatMap((unit, index) => [...(index === 0 ? [0] : []), 0, 0, 1, ...unit]);
    return createHash('md5').update(Uint8Array.from(bytes)).digest('hex');
  };
  const framesOf = (...frames: readonly Units[]) => hashFrames(streamOf(...frames));

  it('is of its picture data alone, of all its slices and layers', () => {
    const frames = framesOf(
      [nal.delimiter, ...sets, nal.recoveryPoint, nal.idr, nal.idrSlice, nal.suffix],
      [nal.delimiter, nal.inter, nal.secondLayer, nal.suffix],
      [nal.end],
    );
    expect(frames).toMatchObject([
      { hash: md5(nal.idr, nal.idrSlice), isKey: true, pts: 9000 },
      { hash: md5(nal.inter, nal.secondLayer), isKey: false, pts: 12_600 },
    ]);
  });

  it('is of one frame where no delimiter separates them, or several share a PES packet', () => {
    const expected = [md5(nal.cra), md5(nal.leading), md5(nal.inter)];
    const hashes = (frames: ReturnType<typeof framesOf>) => frames.map(({ hash }) => hash);
    expect(hashes(framesOf([nal.cra], [nal.leading], [nal.inter]))).toEqual(expected);
    expect(hashes(framesOf([nal.cra, nal.leading, nal.inter]))).toEqual(expected);
    expect(hashes(framesOf([nal.cra, nal.end, nal.leading, ...sets, nal.inter]))).toEqual(expected);
  });
});
