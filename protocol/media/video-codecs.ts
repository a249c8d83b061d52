/** Which stream types are video, and who reads them: one line a codec that we can read. */
import type { FrameRules } from './frame-rules.ts';
import { h264Codec } from './h264-codec.ts';
import { H264Frames } from './h264-frames.ts';
import { hevcCodec } from './hevc-codec.ts';
import { HevcFrames } from './hevc-frames.ts';
import { type NalCodec, NalVideoReader } from './nal-video-reader.ts';
import { OpaqueVideoReader } from './opaque-video-reader.ts';
import type { VideoReader } from './video-reader.ts';

interface VideoCodec {
  readonly codec: NalCodec;
  readonly frames: () => FrameRules;
}

/**
 * stream_type → codec. A video codec that is not here is cut by random_access_indicator alone.
 *
 * @see ISO/IEC 13818-1 table 2-34
 */
const codecs: Readonly<Record<number, VideoCodec>> = {
  0x1b: { codec: h264Codec, frames: () => new H264Frames() },
  0x24: { codec: hevcCodec, frames: () => new HevcFrames() },
};

/** MPEG-1, MPEG-2, MPEG-4 part 2, H.264, JPEG 2000, H.265, H.266, AVS, Dirac, VC-1. Not the layers of another stream. */
const videoTypes: ReadonlySet<number> = new Set([0x01, 0x02, 0x10, 0x1b, 0x21, 0x24, 0x33, 0x42, 0xd1, 0xea]);

export function isVideoType(streamType: number): boolean {
  return videoTypes.has(streamType);
}

export function createVideoReader(streamType: number): VideoReader {
  const known = codecs[streamType];
  return known === undefined ? new OpaqueVideoReader() : new NalVideoReader(known.codec);
}

/** undefined where frames are taken to be PES packets. */
export function createFrameRules(streamType: number): FrameRules | undefined {
  return codecs[streamType]?.frames();
}
