/** Where H.264 frames begin. */
import { readUe } from './exp-golomb.ts';
import type { FrameRules } from './frame-rules.ts';
import { isVcl, nalType, nalTypes } from './h264.ts';

const leading: ReadonlySet<number> = new Set([nalTypes.sei, nalTypes.sps, nalTypes.pps, nalTypes.delimiter]);
const slices: ReadonlySet<number> = new Set([nalTypes.slice, nalTypes.partitionA, nalTypes.idr]);

/**
 * A frame (or a field of its own) ends before a delimiter, SEI or parameter set, and before a slice whose first macroblock does
 * not lie behind the last slice's. ffmpeg's parser splits so, and its hashes are what ours are compared with.
 */
export class H264Frames implements FrameRules {
  readonly headBytes = 6;
  #lastMb = 0;

  isPicture(header: number): boolean {
    return isVcl(nalType(header));
  }

  isKey(header: number): boolean {
    return nalType(header) === nalTypes.idr;
  }

  begins(head: Uint8Array, hasPicture: boolean): boolean {
    const type = nalType(head[0] ?? 0);
    if (leading.has(type)) return hasPicture;
    if (!slices.has(type)) return false;
    const mb = readUe(head, 8) ?? 0;
    const isBack = mb <= this.#lastMb;
    this.#lastMb = mb;
    return hasPicture && isBack;
  }
}
