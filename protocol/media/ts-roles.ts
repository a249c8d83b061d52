/** Which streams of a program are followed, and which of them cuts go by. */
import type { ProgramStream } from './psi.ts';
import { isVideoType } from './video-codecs.ts';

/** Streams of a program that are followed; cameras have two or three. Our choice. */
const maxStreams = 32;
/** Stream types that come in sections, not PES packets: private sections, DSM-CC, SCTE-35. @see ISO/IEC 13818-1 table 2-34 */
const sectionTypes: ReadonlySet<number> = new Set([0x05, 0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x14, 0x16, 0x86]);

/** Cuts are found by a stream's pictures, or, in a program without video, are where its PES packets begin. */
export type Role = 'video' | 'everyPes' | 'other';

/** The streams that come in PES packets; the first video, or without any the first of all, is what cuts go by. */
export function castStreams(all: readonly ProgramStream[]): readonly (readonly [ProgramStream, Role])[] {
  const streams = all.filter(({ streamType }) => !sectionTypes.has(streamType)).slice(0, maxStreams);
  const video = streams.find(({ streamType }) => isVideoType(streamType));
  const leader = video ?? streams[0];
  const leading = video === undefined ? 'everyPes' : 'video';
  return streams.map((stream) => [stream, stream === leader ? leading : 'other']);
}
