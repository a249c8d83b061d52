/** Where H.265 (HEVC) frames begin. */
import type { FrameRules } from './frame-rules.ts';
import { headerBytes, isFirstSlice, isRandomAccess, isVcl, layerId, nalType, nalTypes } from './hevc.ts';

/**
 * A frame ends before a delimiter, parameter set, prefix SEI or end mark, and before a slice that says to be a picture's
 * first. A suffix SEI, and what other layers add, belong to the frame before. ffmpeg's parser splits so, and its hashes are
 * what ours are compared with. @see ITU-T H.265 7.4.2.4.4
 */
export class HevcFrames implements FrameRules {
  readonly headBytes = headerBytes + 1;

  isPicture(header: number): boolean {
    return isVcl(nalType(header));
  }

  isKey(header: number): boolean {
    return isRandomAccess(nalType(header));
  }

  begins(head: Uint8Array, hasPicture: boolean): boolean {
    if (!hasPicture || layerId(head) > 0) return false;
    const type = nalType(head[0] ?? 0);
    return isVcl(type) ? isFirstSlice(head) : isLeading(type);
  }
}

/** 41 to 44 and 48 to 55 are reserved, or nobody's, with the same place. */
function isLeading(type: number): boolean {
  if (type <= nalTypes.bitstreamEnd || type === nalTypes.prefixSei) return true;
  return (type >= 41 && type <= 44) || (type >= 48 && type <= 55);
}
