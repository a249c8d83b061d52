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
  return execFileSync(command, ['-v', 'error', ...args], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: 'pipe',
  });
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

/** Coded slices of each codec, as the documents name them. */
const filters = {
  libx264: 'h264_mp4toannexb,filter_units=pass_types=1-5',
  libx265: 'hevc_mp4toannexb,filter_units=pass_types=0-31',
} as const;
type Encoder = keyof typeof filters;

/** The command that the documents name, but that frames before a key frame count too: a refresh has none. */
function ffmpegHashes(bytes: Uint8Array, encoder: Encoder = 'libx264'): readonly string[] {
  const file = save('hashes.ts', bytes);
  const text = run('ffmpeg', [
    '-i',
    file,
    '-map',
    '0:v:0',
    '-c',
    'copy',
    '-copyinkf',
    '-bsf:v',
    filters[encoder],
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

function everyFiftieth(bytes: Uint8Array): readonly { readonly offset: number; readonly pts: number }[] {
  const frames = probe(bytes, 'v:0').filter((_, index) => index % 50 === 0);
  return frames.map(({ offset, pts }) => ({ offset, pts }));
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

/** Ten seconds of a moving picture with a tone. */
function encode(name: string, parameters: string, encoder: Encoder = 'libx264'): Buffer {
  const file = join(directory, `${name}.ts`);
  const size = encoder === 'libx264' ? '640x360' : '320x240';
  const picture = ['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=25`, '-f', 'lavfi', '-i', 'sine'];
  const params =
    encoder === 'libx264' ? ['-x264-params', parameters] : ['-x265-params', `log-level=1:${parameters}`];
  const codec = ['-c:v', encoder, '-preset', 'superfast', ...params, '-c:a', 'aac'];
  run('ffmpeg', ['-y', ...picture, '-t', '10', ...codec, '-f', 'mpegts', file]);
  return readFileSync(file);
}

interface EncodedStream {
  readonly what: string;
  readonly encoder?: Encoder;
  readonly parameters: string;
  /** Qualities that cuts must have. */
  readonly first: CutMark['quality'];
  readonly later: CutMark['quality'];
  /** ffprobe takes the starts of a refresh for no key frames where no recovery point marks them. */
  readonly isHiddenToFfprobe?: boolean;
}

const streams: readonly EncodedStream[] = [
  { what: 'closed GOPs with B-frames', parameters: 'keyint=50:bframes=3', first: 'idr', later: 'idr' },
  {
    what: 'open GOPs',
    parameters: 'keyint=50:min-keyint=50:bframes=3:open-gop=1',
    first: 'idr',
    later: 'recovery',
  },
  { what: 'intra refresh', parameters: 'keyint=50:intra-refresh=1', first: 'idr', later: 'recovery' },
  {
    what: 'four slices a frame and delimiters',
    parameters: 'keyint=50:slices=4:aud=1',
    first: 'idr',
    later: 'idr',
  },
  {
    what: 'no B-frames, padded to a constant rate',
    parameters: 'keyint=50:bframes=0:nal-hrd=cbr:bitrate=2000:vbv-maxrate=2000:vbv-bufsize=1000',
    first: 'idr',
    later: 'idr',
  },
  { what: 'interlaced pictures', parameters: 'keyint=50:tff=1', first: 'idr', later: 'idr' },
  {
    what: 'H.265 in closed GOPs with B-frames',
    encoder: 'libx265',
    parameters: 'keyint=50:min-keyint=50:bframes=3:open-gop=0',
    first: 'idr',
    later: 'idr',
  },
  {
    what: 'H.265 in open GOPs',
    encoder: 'libx265',
    parameters: 'keyint=50:min-keyint=50:bframes=3:open-gop=1',
    first: 'idr',
    later: 'recovery',
  },
  {
    what: 'H.265 whose key frames are led by others',
    encoder: 'libx265',
    parameters: 'keyint=50:min-keyint=50:bframes=3:open-gop=0:radl=2',
    first: 'idr',
    later: 'idr',
  },
  {
    what: 'H.265 with four slices a frame, without delimiters',
    encoder: 'libx265',
    parameters: 'keyint=50:min-keyint=50:slices=4:open-gop=0:aud=0',
    first: 'idr',
    later: 'idr',
  },
  {
    what: 'H.265 with intra refresh',
    encoder: 'libx265',
    parameters: 'keyint=50:min-keyint=50:intra-refresh=1:bframes=0',
    first: 'idr',
    later: 'recovery',
    isHiddenToFfprobe: true,
  },
];

describeWith(['ffmpeg', 'ffprobe'], 'streams of a real encoder', () => {
  describe.each(streams)('$what', (stream) => {
    const { what, encoder, parameters, first, later } = stream;
    let bytes: Buffer = Buffer.alloc(0);
    beforeAll(() => {
      bytes = encode(what.replaceAll(/\W/g, '-'), parameters, encoder);
    });

    it('are cut where ffprobe sees key frames', () => {
      const cuts = cutsOf(bytes).map(({ offset, pts }) => ({ offset, pts }));
      expect(cuts.length).toBeGreaterThanOrEqual(5);
      expect(cuts).toEqual(stream.isHiddenToFfprobe === true ? everyFiftieth(bytes) : keyFrames(bytes));
      const [start, ...rest] = cutsOf(bytes).map(({ quality }) => quality);
      expect(start).toBe(first);
      expect(new Set(rest)).toEqual(new Set([later]));
    });

    it('have the hashes that ffmpeg has', () => {
      const hashes = hashFrames(bytes).map(({ hash }) => hash);
      expect(hashes).toEqual(ffmpegHashes(bytes, encoder));
      expect(new Set(hashes).size).toBe(250);
    });

    it('play from a cut behind a preamble as they do without one, and lose nothing when joined', () => {
      const scanner = createScanner('video/mp2t');
      const cut = scanner.push(bytes).filter(({ kind }) => kind === 'cut')[2];
      const offset = cut?.offset ?? 0;
      const part = Buffer.concat([scanner.preamble(offset), bytes.subarray(offset)]);
      const expected = ffmpegHashes(bytes, encoder);
      const own = ffmpegHashes(part, encoder);
      expect(own.length).toBeGreaterThan(100);
      expect(own).toEqual(expected.slice(-own.length));
      expect(complaintsOf(part)).toBe(complaintsOf(bytes.subarray(offset)));
      const seam = Buffer.concat([bytes.subarray(0, offset), part]);
      expect(complaintsOf(seam)).toBe('');
      expect(ffmpegHashes(seam, encoder)).toEqual(expected);
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
