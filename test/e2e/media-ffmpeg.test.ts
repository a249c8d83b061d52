/** What we read and make, against what ffmpeg says of it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestMuxer } from '../../agent/sources/test-muxer.ts';
import { TestStream } from '../../agent/sources/test-stream.ts';
import { hashFrames } from '../../protocol/media/frame-hashes.ts';
import { compareFrames } from '../../protocol/media/loss-check.ts';
import { ptsWrap } from '../../protocol/media/pes.ts';
import type { CutMark } from '../../protocol/media/scanner.ts';
import { createScanner } from '../../protocol/media/scanners.ts';
import { describeWith } from '../support/needs.ts';

let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'homing-media-'));
});

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** Runs ffmpeg or ffprobe; a failure fails the test. */
function run(command: 'ffmpeg' | 'ffprobe', args: readonly string[]): string {
  return execFileSync(command, ['-v', 'error', ...args], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

/** What ffmpeg has to complain about when it decodes all of it; addresses of its objects left out. */
function complaintsOf(bytes: Uint8Array): string {
  const args = ['-v', 'warning', '-i', save('complaints.ts', bytes), '-map', '0', '-f', 'null', '-'];
  return spawnSync('ffmpeg', args, { encoding: 'utf8' }).stderr.replaceAll(/ @ 0x[0-9a-f]+/g, '');
}

function save(name: string, bytes: Uint8Array): string {
  const file = join(directory, name);
  writeFileSync(file, bytes);
  return file;
}

/** The command that the documents name. */
function ffmpegHashes(bytes: Uint8Array): readonly string[] {
  const filter = 'h264_mp4toannexb,filter_units=pass_types=1-5';
  const file = save('hashes.ts', bytes);
  const text = run('ffmpeg', [
    '-i',
    file,
    '-map',
    '0:v:0',
    '-c',
    'copy',
    '-bsf:v',
    filter,
    '-f',
    'framehash',
    '-hash',
    'md5',
    '-',
  ]);
  return fieldSix(text);
}

function decodedHashes(bytes: Uint8Array): readonly string[] {
  const file = save('decoded.ts', bytes);
  return fieldSix(
    run('ffmpeg', ['-i', file, '-map', '0:v:0', '-fps_mode', 'passthrough', '-f', 'framemd5', '-']),
  );
}

function fieldSix(text: string): readonly string[] {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => line.split(',')[5]?.trim() ?? '');
}

interface ProbedPacket {
  readonly offset: number;
  readonly pts: number;
  readonly isKey: boolean;
}

/** Byte position and time of each packet, by ffprobe. */
function probe(bytes: Uint8Array, stream: 'v:0' | 'a:0'): readonly ProbedPacket[] {
  const shown = [
    '-select_streams',
    stream,
    '-show_entries',
    'packet=pts,pos,flags',
    '-of',
    'csv=print_section=0',
  ];
  const lines = run('ffprobe', [...shown, save('probed.ts', bytes)]).split('\n');
  return lines
    .map((line) => line.split(','))
    .filter((fields) => fields.length >= 3)
    .map(([pts, pos, flags]) => ({
      offset: Number(pos),
      pts: Number(pts),
      isKey: flags?.startsWith('K') ?? false,
    }));
}

function keyFrames(bytes: Uint8Array): readonly { readonly offset: number; readonly pts: number }[] {
  return probe(bytes, 'v:0')
    .filter(({ isKey }) => isKey)
    .map(({ offset, pts }) => ({ offset, pts }));
}

function cutsOf(bytes: Uint8Array): readonly CutMark[] {
  return createScanner('video/mp2t')
    .push(bytes)
    .filter((mark) => mark.kind === 'cut');
}

function camera(frames: number, options: Partial<ConstructorParameters<typeof TestStream>[0]> = {}): Buffer {
  const stream = new TestStream({ fps: 15, gop: 2, ...options });
  return Buffer.concat(Array.from({ length: frames }, () => stream.next()));
}

/** Ten seconds of a moving picture with a tone, by x264. */
function encode(name: string, x264: string, muxing: readonly string[] = []): Buffer {
  const file = join(directory, `${name}.ts`);
  const picture = ['-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25', '-f', 'lavfi', '-i', 'sine'];
  const codec = ['-c:v', 'libx264', '-preset', 'superfast', '-x264-params', x264, '-c:a', 'aac'];
  run('ffmpeg', ['-y', ...picture, '-t', '10', ...codec, ...muxing, '-f', 'mpegts', file]);
  return readFileSync(file);
}

/** Parameters of x264, and the qualities that cuts must have. */
const streams = [
  { what: 'closed GOPs with B-frames', x264: 'keyint=50:bframes=3', first: 'idr', later: 'idr' },
  {
    what: 'open GOPs',
    x264: 'keyint=50:min-keyint=50:bframes=3:open-gop=1',
    first: 'idr',
    later: 'recovery',
  },
  { what: 'intra refresh', x264: 'keyint=50:intra-refresh=1', first: 'idr', later: 'recovery' },
  {
    what: 'four slices a frame and delimiters',
    x264: 'keyint=50:slices=4:aud=1',
    first: 'idr',
    later: 'idr',
  },
  {
    what: 'no B-frames, padded to a constant rate',
    x264: 'keyint=50:bframes=0:nal-hrd=cbr:bitrate=2000:vbv-maxrate=2000:vbv-bufsize=1000',
    first: 'idr',
    later: 'idr',
  },
  { what: 'interlaced pictures', x264: 'keyint=50:tff=1', first: 'idr', later: 'idr' },
] as const;

describeWith(['ffmpeg', 'ffprobe'], 'streams of a real encoder', () => {
  describe.each(streams)('$what', ({ what, x264, first, later }) => {
    let bytes: Buffer = Buffer.alloc(0);
    beforeAll(() => {
      bytes = encode(what.replaceAll(/\W/g, '-'), x264);
    });

    it('are cut where ffprobe sees key frames', () => {
      const expected = keyFrames(bytes);
      expect(expected.length).toBeGreaterThanOrEqual(5);
      expect(cutsOf(bytes).map(({ offset, pts }) => ({ offset, pts }))).toEqual(expected);
      const [start, ...rest] = cutsOf(bytes).map(({ quality }) => quality);
      expect(start).toBe(first);
      expect(new Set(rest)).toEqual(new Set([later]));
    });

    it('have the hashes that ffmpeg has', () => {
      const hashes = hashFrames(bytes).map(({ hash }) => hash);
      expect(hashes).toEqual(ffmpegHashes(bytes));
      expect(new Set(hashes).size).toBe(250);
    });

    it('play from a cut behind a preamble as they do without one, and lose nothing when joined', () => {
      const scanner = createScanner('video/mp2t');
      const cut = scanner.push(bytes).filter(({ kind }) => kind === 'cut')[2];
      const offset = cut?.offset ?? 0;
      const part = Buffer.concat([scanner.preamble(offset), bytes.subarray(offset)]);
      const expected = ffmpegHashes(bytes);
      const own = ffmpegHashes(part);
      expect(own).toEqual(expected.slice(-own.length));
      expect(complaintsOf(part)).toBe(complaintsOf(bytes.subarray(offset)));
      const seam = Buffer.concat([bytes.subarray(0, offset), part]);
      expect(complaintsOf(seam)).toBe('');
      expect(ffmpegHashes(seam)).toEqual(expected);
    });
  });

  it('lose a frame visibly', () => {
    const bytes = encode('lossy', 'keyint=50');
    const frames = hashFrames(bytes);
    const [from = 0, to = 0] = frames.slice(60, 62).map(({ offset }) => offset);
    const result = compareFrames(
      frames,
      hashFrames(Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])),
    );
    expect(result).toMatchObject({
      ok: true,
      value: { lost: 1, lostRuns: [{ first: 60, last: 60 }], damaged: 0 },
    });
  });

  it('of sound alone are cut at PES packets', () => {
    const file = join(directory, 'sound.ts');
    run('ffmpeg', ['-y', '-f', 'lavfi', '-i', 'sine', '-t', '5', '-c:a', 'aac', '-f', 'mpegts', file]);
    const bytes = readFileSync(file);
    const places = new Set(probe(bytes, 'a:0').map(({ offset }) => offset));
    const cuts = cutsOf(bytes).map(({ offset }) => offset);
    expect(cuts.length).toBeGreaterThan(5);
    expect(cuts.every((offset) => places.has(offset))).toBe(true);
  });

  it('that repeat a still picture are refused as a reference', () => {
    const file = join(directory, 'still.ts');
    const still = ['-f', 'lavfi', '-i', 'color=black:size=320x192:rate=25', '-t', '4'];
    run('ffmpeg', ['-y', ...still, '-c:v', 'libx264', '-g', '5', '-f', 'mpegts', file]);
    const frames = hashFrames(readFileSync(file));
    expect(compareFrames(frames, frames)).toMatchObject({ ok: false, reason: 'alike' });
  });
});

describeWith(['ffmpeg', 'ffprobe'], 'the test camera', () => {
  it('is decoded without a complaint, every frame another picture', () => {
    const bytes = camera(900);
    expect(complaintsOf(bytes)).toBe('');
    expect(new Set(decodedHashes(bytes)).size).toBe(900);
  });

  it('has the hashes that ffmpeg has, all different, and key frames where it says', () => {
    const bytes = camera(600, { gop: 20 });
    const hashes = ffmpegHashes(bytes);
    expect(new Set(hashes).size).toBe(600);
    expect(hashFrames(bytes).map(({ hash }) => hash)).toEqual(hashes);
    expect(cutsOf(bytes).map(({ offset, pts }) => ({ offset, pts }))).toEqual(keyFrames(bytes));
  });

  it('goes on over the wrap of its time', () => {
    const bytes = camera(120, { startPts: ptsWrap - 4 * 90_000 });
    expect(complaintsOf(bytes)).toBe('');
    expect(new Set(decodedHashes(bytes)).size).toBe(120);
    expect(cutsOf(bytes)).toHaveLength(4);
  });

  it.each([
    { widthMbs: 8, heightMbs: 4 },
    { widthMbs: 17, heightMbs: 9 },
    { widthMbs: 80, heightMbs: 45 },
  ])('is as good with $widthMbs × $heightMbs macroblocks', (size) => {
    const bytes = camera(45, { size, fps: 30, gop: 0.5 });
    expect(complaintsOf(bytes)).toBe('');
    expect(new Set(decodedHashes(bytes)).size).toBe(45);
  });

  it('whose parameter sets came once only plays from a later cut, as the preamble has them', () => {
    const bytes = withoutLaterParameterSets(camera(60, { gop: 1 }));
    expect(complaintsOf(bytes)).toBe('');
    const scanner = createScanner('video/mp2t');
    const cut = scanner.push(bytes).filter(({ kind }) => kind === 'cut')[2];
    const part = bytes.subarray(cut?.offset);
    expect(complaintsOf(part)).not.toBe('');
    const whole = Buffer.concat([scanner.preamble(cut?.offset), part]);
    expect(complaintsOf(whole)).toBe('');
    expect(decodedHashes(whole)).toEqual(decodedHashes(bytes).slice(30));
  });
});

/** The same frames, muxed again, with SPS and PPS in the first one only. */
function withoutLaterParameterSets(bytes: Buffer): Buffer {
  const file = save('sets.ts', bytes);
  const raw = join(directory, 'sets.h264');
  run('ffmpeg', ['-y', '-i', file, '-c', 'copy', '-f', 'h264', raw]);
  const units = splitUnits(readFileSync(raw));
  const muxer = new TestMuxer();
  return Buffer.concat(
    units.map((unit, frame) => {
      const isKey = unit.includes(Buffer.of(0, 0, 0, 1, 0x67)) || unit.includes(Buffer.of(0, 0, 1, 0x67));
      const from = isKey && frame > 0 ? unit.subarray(unit.indexOf(Buffer.of(0, 0, 1, 0x65)) - 1) : unit;
      return muxer.mux(from, 126_000 + frame * 6000, isKey);
    }),
  );
}

/** At delimiters. */
function splitUnits(bytes: Buffer): readonly Buffer[] {
  const delimiter = Buffer.of(0, 0, 0, 1, 0x09);
  const units: Buffer[] = [];
  for (let at = bytes.indexOf(delimiter); at !== -1;) {
    const next = bytes.indexOf(delimiter, at + 1);
    units.push(bytes.subarray(at, next === -1 ? bytes.length : next));
    at = next;
  }
  return units;
}
