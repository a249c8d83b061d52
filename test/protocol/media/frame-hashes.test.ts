import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TestStream } from '../../../agent/sources/test-stream.ts';
import { FrameHasher, hashFrames } from '../../../protocol/media/frame-hashes.ts';
import { ptsWrap } from '../../../protocol/media/pes.ts';
import { createScanner } from '../../../protocol/media/scanners.ts';
import { annexB, nal, TransportStreamBuilder } from '../../support/transport-streams.ts';

const video = 0x100;
const startCode = [0, 0, 1];

function md5(...units: readonly (readonly number[])[]): string {
  const bytes = units.flatMap((unit, index) => [...(index === 0 ? [0] : []), ...startCode, ...unit]);
  return createHash('md5').update(Uint8Array.from(bytes)).digest('hex');
}

function hashesOf(...payloads: readonly Uint8Array[]): readonly string[] {
  const stream = new TransportStreamBuilder().tables([[video, 0x1b]]);
  for (const payload of payloads) stream.pes({ pid: video, payload });
  return hashFrames(stream.bytes()).map(({ hash }) => hash);
}

describe('the hash of a frame', () => {
  it('is of its picture data alone', () => {
    const plain = hashesOf(annexB(nal.idr), annexB(nal.delimiter, nal.inter));
    expect(plain).toEqual([md5(nal.idr), md5(nal.inter)]);
    const dressed = annexB(nal.delimiter, nal.sps, nal.pps, nal.recoveryPoint, nal.idr);
    expect(hashesOf(dressed, annexB(nal.delimiter, nal.inter))).toEqual(plain);
  });

  it('is of all its slices', () => {
    expect(hashesOf(annexB(nal.delimiter, nal.idr, nal.idrSlice), annexB(nal.delimiter, nal.inter))).toEqual([
      md5(nal.idr, nal.idrSlice),
      md5(nal.inter),
    ]);
  });

  it('is of one frame where no delimiter separates them, or several share a PES packet', () => {
    const expected = [md5(nal.idr), md5(nal.inter), md5(nal.inter)];
    expect(hashesOf(annexB(nal.idr), annexB(nal.inter), annexB(nal.inter))).toEqual(expected);
    expect(hashesOf(annexB(nal.idr, nal.inter, nal.inter))).toEqual(expected);
  });

  it('does not depend on zeros behind units, on the length of start codes or on needless escapes', () => {
    const zeros = Uint8Array.of(0, 0, 1, ...nal.idr, 0, 0, 0, 0, 0, 1, ...nal.idrSlice, 0, 0, 3);
    expect(hashesOf(zeros)).toEqual([md5(nal.idr, nal.idrSlice)]);
    const escaped = [...nal.idr, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3];
    expect(hashesOf(annexB(escaped))).toEqual([md5(escaped)]);
    expect(hashesOf(annexB([...nal.idr, 0, 0, 3, 9]))).toEqual([md5([...nal.idr, 0, 0, 9])]);
  });

  it('is of two frames where a muxer began anew with the counter that was the last', () => {
    const stream = new TransportStreamBuilder().tables([[video, 0x1b]]);
    stream.pes({ pid: video, payload: annexB(nal.idr) });
    const again = new TransportStreamBuilder().tables([[video, 0x1b]]);
    again.pes({ pid: video, payload: annexB([...nal.inter, 9]) });
    const twice = Buffer.concat([stream.bytes(), again.bytes(), again.bytes().subarray(-188)]);
    expect(hashFrames(twice).map(({ hash }) => hash)).toEqual([md5(nal.idr), md5([...nal.inter, 9])]);
  });

  it('is the same wherever the chunks end', () => {
    const camera = new TestStream({ fps: 5, gop: 1, size: { widthMbs: 8, heightMbs: 4 } });
    const bytes = Buffer.concat(Array.from({ length: 8 }, () => camera.next()));
    const whole = hashFrames(bytes);
    expect(whole).toHaveLength(8);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1 }), (sizes) => {
        const hasher = new FrameHasher();
        const frames = [];
        for (let at = 0, index = 0; at < bytes.length; index += 1) {
          const size = sizes[index % sizes.length] ?? 1;
          frames.push(...hasher.push(bytes.subarray(at, at + size)));
          at += size;
        }
        expect([...frames, ...hasher.finish()]).toEqual(whole);
      }),
      { numRuns: 50 },
    );
  });

  it('of a unit longer than any buffer is right', () => {
    const long = Array.from({ length: 300_000 }, (_, at) => (at % 5000 < 2 ? 0 : (at % 251) + 4));
    const unit = [...nal.idr, ...long, 7];
    expect(hashesOf(annexB(unit), annexB(nal.inter))).toEqual([md5(unit), md5(nal.inter)]);
  });

  it('comes with where the frame began, its time and whether it is a key frame', () => {
    const camera = new TestStream({ fps: 10, gop: 0.5, startPts: ptsWrap - 9000 });
    const bytes = Buffer.concat(Array.from({ length: 12 }, () => camera.next()));
    const frames = hashFrames(bytes);
    const marks = createScanner('video/mp2t').push(bytes);
    expect(frames.map(({ offset, pts }) => ({ offset, pts }))).toEqual(
      marks
        .filter(({ kind }) => kind === 'pes')
        .map((mark) => ({ offset: mark.offset, pts: mark.kind === 'pes' ? mark.pts : 0 })),
    );
    expect(frames.filter(({ isKey }) => isKey).map(({ offset }) => offset)).toEqual(
      marks.filter(({ kind }) => kind === 'cut').map(({ offset }) => offset),
    );
    expect(frames[1]?.pts).toBe(0);
  });

  it('is of PES packets where there is no H.264', () => {
    const stream = new TransportStreamBuilder().tables([[0x101, 0x0f]]);
    const payloads = [Buffer.from('one'), Buffer.from('two')];
    for (const payload of payloads) stream.pes({ pid: 0x101, payload, streamId: 0xc0 });
    expect(hashFrames(stream.bytes()).map(({ hash }) => hash)).toEqual(
      payloads.map((payload) => createHash('md5').update(payload).digest('hex')),
    );
  });

  it('changes where a packet is lost, and only there', () => {
    const camera = new TestStream({ fps: 5, gop: 10 });
    const frames = Array.from({ length: 5 }, () => camera.next());
    const whole = hashFrames(Buffer.concat(frames));
    const third = frames[2] ?? Buffer.alloc(0);
    frames[2] = Buffer.concat([third.subarray(0, 188 * 5), third.subarray(188 * 6)]);
    const damaged = hashFrames(Buffer.concat(frames));
    expect(damaged.map(({ hash }, index) => hash === whole[index]?.hash)).toEqual([
      true,
      true,
      false,
      true,
      true,
    ]);
  });

  it('never fails, whatever the bytes', () => {
    const camera = new TestStream({ fps: 5, gop: 1, size: { widthMbs: 8, heightMbs: 4 } });
    const bytes = Buffer.concat(Array.from({ length: 6 }, () => camera.next()));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 200 }), (flips) => {
        const damaged = Buffer.from(bytes);
        for (const [at, value] of flips) damaged[at] = value;
        for (const { hash, offset } of hashFrames(damaged)) {
          expect(hash).toMatch(/^[0-9a-f]{32}$/);
          expect(damaged[offset]).toBe(0x47);
        }
      }),
      { numRuns: 100 },
    );
  });
});
