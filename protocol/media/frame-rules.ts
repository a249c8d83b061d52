/** Where frames begin among NAL units, by codec. */
import { isVcl, nalType, nalTypes, readUe } from './h264.ts';

/** One object reads one stream: it remembers the slice before. */
export interface FrameRules {
  /** The unit holds picture data: it goes into the hash. */
  isPicture(header: number): boolean;
  isKey(header: number): boolean;
  /** So many bytes of a unit are enough for `begins`. */
  readonly headBytes: number;
  /** @param head the unit's first bytes; @param hasPicture the frame has picture data already */
  begins(head: Uint8Array, hasPicture: boolean): boolean;
}

/** stream_type → rules. H.265 gets its own here. */
const rules: Readonly<Record<number, () => FrameRules>> = { 0x1b: () => new H264FrameRules() };

/** undefined where frames are taken to be PES packets. */
export function createFrameRules(streamType: number): FrameRules | undefined {
  return rules[streamType]?.();
}

const leading: ReadonlySet<number> = new Set([nalTypes.sei, nalTypes.sps, nalTypes.pps, nalTypes.delimiter]);
const slices: ReadonlySet<number> = new Set([nalTypes.slice, nalTypes.partitionA, nalTypes.idr]);

/**
 * A frame (or a field of its own) ends before a delimiter, SEI or parameter set, and before a slice whose first macroblock does
 * not lie behind the last slice's. ffmpeg's parser splits so, and its hashes are what ours are compared with.
 */
class H264FrameRules implements FrameRules {
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
