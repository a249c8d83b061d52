/** Which stream types are video, and who reads them. */
import { H264Reader } from './h264-reader.ts';
import { OpaqueVideoReader } from './opaque-video-reader.ts';
import type { VideoReader } from './video-reader.ts';

/**
 * stream_type → reader. A video codec that is not here is cut by random_access_indicator alone.
 *
 * @see ISO/IEC 13818-1 table 2-34
 */
const readers: Readonly<Record<number, () => VideoReader>> = {
  0x1b: () => new H264Reader(),
  // 0x24: H.265 (NAL 16 to 21) gets its own file beside h264-reader.ts.
};

/** MPEG-1, MPEG-2, MPEG-4 part 2, H.264, JPEG 2000, H.265, H.266, AVS, Dirac, VC-1. Not the layers of another stream. */
const videoTypes: ReadonlySet<number> = new Set([0x01, 0x02, 0x10, 0x1b, 0x21, 0x24, 0x33, 0x42, 0xd1, 0xea]);

export function isVideoType(streamType: number): boolean {
  return videoTypes.has(streamType);
}

export function createVideoReader(streamType: number): VideoReader {
  return (readers[streamType] ?? (() => new OpaqueVideoReader()))();
}
