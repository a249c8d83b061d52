/** What a media file holds by ffmpeg's word alone: a hash of each coded frame, decoded picture and audio packet. */
import { spawnSync } from 'node:child_process';

/** What is hashed of a coded frame: of H.264 and H.265 its VCL NAL units only. */
const codedParts = {
  h264: '-bsf:v h264_mp4toannexb,filter_units=pass_types=1-5',
  hevc: '-bsf:v hevc_mp4toannexb,filter_units=pass_types=0-31',
  other: '',
} as const;
export type CodedAs = keyof typeof codedParts;

/** One hash for each coded frame, in coding order. Frames before the first key frame count too. */
export function frameHashes(
  file: string,
  codec: CodedAs = 'h264',
  stream: '0:v:0' | '0:v:1' = '0:v:0',
): readonly string[] {
  return hashesOf(file, stream, `-c copy -copyinkf ${codedParts[codec]}`.trim());
}

/** One hash for each picture that comes out of the decoder. */
export function pictureHashes(file: string): readonly string[] {
  return hashesOf(file, '0:v:0', '-fps_mode passthrough');
}

/** One hash for each coded audio packet. */
export function audioHashes(file: string): readonly string[] {
  return hashesOf(file, '0:a:0', '-c copy');
}

/** Runs ffmpeg or ffprobe to its end; throws with what it said where it fails. */
export function runFfmpeg(command: 'ffmpeg' | 'ffprobe', args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, ['-v', 'error', ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  return stdout;
}

/** Field 6 of a line is the hash. */
function hashesOf(file: string, stream: string, how: string): readonly string[] {
  const args = ['-i', file, '-map', stream, ...how.split(' '), '-f', 'framehash', '-hash', 'md5', '-'];
  const lines = runFfmpeg('ffmpeg', args).split('\n');
  return lines.filter((line) => /^\d/.test(line)).map((line) => line.split(',')[5]?.trim() ?? '');
}
