/** Finds key frames and parameter sets in the PES packets of an H.264 stream. */
import { hasRecoveryPoint, isVcl, nalType, nalTypes, parameterSetId, parseSliceStart } from './h264.ts';
import { NalHeadReader, type NalHead } from './nal-heads.ts';
import type { Picture, VideoReader } from './video-reader.ts';

/** Real streams have one of each, of some 30 bytes; the standard allows 32 and 256. Our choice. */
const maxParameterSets = 16;
const maxNalBytes = 1024;
const startCode = Uint8Array.of(0, 0, 0, 1);

/** Enough of a unit to judge it: of a slice its header and one byte (`parseSliceStart`). */
function wantedBytes(header: number): number {
  const type = nalType(header);
  if (isVcl(type)) return 2;
  return type === nalTypes.sei || type === nalTypes.sps || type === nalTypes.pps ? maxNalBytes : 0;
}

/**
 * The first picture that begins in a PES packet decides. IDR slices make it `idr`; a recovery point, the muxer's random access
 * indicator, or parameter sets before intra slices make it `recovery` (open GOP, intra refresh).
 */
export class H264Reader implements VideoReader {
  readonly #nals = new NalHeadReader(wantedBytes);
  /** By NAL type and id; insertion order is age. */
  readonly #sets = new Map<string, Uint8Array>();
  #isOpen = false;
  #seen = { randomAccess: false, recoveryPoint: false, sps: false, pps: false, otherCodec: false };

  begin(randomAccess: boolean): void {
    this.#nals.reset();
    this.#isOpen = true;
    this.#seen = { randomAccess, recoveryPoint: false, sps: false, pps: false, otherCodec: false };
  }

  push(bytes: Uint8Array, from: number, to: number): Picture | undefined {
    let at = from;
    while (this.#isOpen && at < to) {
      const next = this.#nals.push(bytes, at, to);
      at = next.at;
      const picture = next.head === undefined ? undefined : this.#see(next.head);
      if (picture !== undefined) {
        this.#isOpen = false;
        return picture;
      }
    }
    return undefined;
  }

  abandon(): void {
    this.#isOpen = false;
  }

  parameterSets(): Uint8Array {
    const sets = [...this.#sets].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, set]) => set);
    const bytes = new Uint8Array(sets.reduce((sum, set) => sum + startCode.length + set.length, 0));
    let at = 0;
    for (const set of sets) {
      bytes.set(startCode, at);
      bytes.set(set, at + startCode.length);
      at += startCode.length + set.length;
    }
    return bytes;
  }

  #see(nal: NalHead): Picture | undefined {
    const type = nalType(nal.bytes[0] ?? 0);
    if (isVcl(type)) return this.#judge(type, nal.bytes[1] ?? 0);
    if (type === nalTypes.sei) this.#seen.recoveryPoint ||= hasRecoveryPoint(nal.bytes);
    else if (nal.isWhole) this.#keep(type, nal.bytes);
    return undefined;
  }

  #keep(type: number, set: Uint8Array): void {
    const id = parameterSetId(set);
    if (id === undefined) return;
    const key = `${type}:${id}`;
    const old = this.#sets.get(key);
    if (type === nalTypes.sps) {
      this.#seen.sps = true;
      // Other picture parameters alone (some encoders change them every GOP) are no other codec.
      if (old !== undefined && !isSame(old, set)) this.#seen.otherCodec = true;
    } else this.#seen.pps = true;
    this.#sets.delete(key);
    this.#sets.set(key, set);
    const oldest = this.#sets.size > maxParameterSets ? this.#sets.keys().next().value : undefined;
    if (oldest !== undefined) this.#sets.delete(oldest);
  }

  #judge(type: number, second: number): Picture | undefined {
    const slice = parseSliceStart(second);
    if (!slice.isFirst) return undefined;
    const { randomAccess, recoveryPoint, sps, pps, otherCodec } = this.#seen;
    const isMarked = randomAccess || recoveryPoint || (sps && slice.isIntra);
    const isIdr = type === nalTypes.idr;
    // An IDR behind the tail of another picture is whole only when that is there too.
    const key = isIdr && !this.#nals.hasJunk ? 'idr' : 'recovery';
    return { ...(isIdr || isMarked ? { key } : {}), isOtherCodec: otherCodec, isSelfContained: sps && pps };
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
