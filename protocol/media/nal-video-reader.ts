/** Finds key frames and parameter sets in the PES packets of a stream of NAL units, by a codec's own rules. */
import { NalHeadReader, type NalHead } from './nal-heads.ts';
import { ParameterSets } from './parameter-sets.ts';
import type { Picture, VideoReader } from './video-reader.ts';

/** What one NAL unit means for cuts. */
export type NalMeaning =
  | {
      readonly kind: 'picture';
      /** A picture begins with it. */
      readonly isFirst: boolean;
      /** By the unit's own type. */
      readonly key?: 'idr' | 'recovery';
      /** It needs no other picture; absent where that is not told in a few bytes. */
      readonly isIntra?: boolean;
    }
  /** `sps`: the one whose change is another codec's. */
  | { readonly kind: 'parameters'; readonly set: 'vps' | 'sps' | 'pps'; readonly id: number }
  | { readonly kind: 'recoveryPoint' };

/** One codec's NAL units. */
export interface NalCodec {
  /** How much of a unit with this first byte is enough for `read`: 0 to `maxNalBytes`. */
  wantedBytes(header: number): number;
  read(nal: Uint8Array): NalMeaning | undefined;
  /** What a decoder needs before a picture. */
  readonly sets: readonly ('vps' | 'sps' | 'pps')[];
}

/** Of parameter sets and SEI; longer ones (scaling lists) are not kept. */
export const maxNalBytes = 1024;
/** Above every id of a parameter set. */
const ids = 256;

/**
 * The first picture that begins in a PES packet decides. A unit that is a fresh start makes it `idr`; one that is an open
 * start, a recovery point, the muxer's random access indicator, or parameter sets make it `recovery`: those before intra
 * slices or, where slices do not tell, those that the picture before lacked (intra refresh without recovery points).
 */
export class NalVideoReader implements VideoReader {
  readonly #codec: NalCodec;
  readonly #nals: NalHeadReader;
  readonly #sets = new ParameterSets();
  #isOpen = false;
  #isMarked = false;
  #isOtherCodec = false;
  /** The last picture that was judged came behind an SPS. */
  #hadSps = false;
  readonly #seen = new Set<'vps' | 'sps' | 'pps'>();

  constructor(codec: NalCodec) {
    this.#codec = codec;
    this.#nals = new NalHeadReader((header) => codec.wantedBytes(header));
  }

  begin(randomAccess: boolean): void {
    this.#nals.reset();
    this.#isOpen = true;
    this.#isMarked = randomAccess;
    this.#isOtherCodec = false;
    this.#seen.clear();
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
    return this.#sets.bytes();
  }

  #see({ bytes, isWhole }: NalHead): Picture | undefined {
    const meaning = this.#codec.read(bytes);
    if (meaning?.kind === 'picture') return meaning.isFirst ? this.#judge(meaning) : undefined;
    if (meaning?.kind === 'recoveryPoint') this.#isMarked = true;
    if (meaning?.kind === 'parameters' && isWhole) this.#keep(meaning, bytes);
    return undefined;
  }

  #keep({ set, id }: Extract<NalMeaning, { kind: 'parameters' }>, bytes: Uint8Array): void {
    this.#seen.add(set);
    const isOther = this.#sets.keep(this.#codec.sets.indexOf(set) * ids + id, bytes);
    // Other picture parameters alone (some encoders change them every GOP) are no other codec.
    if (isOther && set === 'sps') this.#isOtherCodec = true;
  }

  #judge(picture: Extract<NalMeaning, { kind: 'picture' }>): Picture {
    const hasSps = this.#seen.has('sps');
    const isMarked = this.#isMarked || (hasSps && (picture.isIntra ?? !this.#hadSps));
    this.#hadSps = hasSps;
    const own = picture.key ?? (isMarked ? 'recovery' : undefined);
    // A fresh start behind the tail of another picture is whole only when that is there too.
    const key = own === 'idr' && this.#nals.hasJunk ? 'recovery' : own;
    return {
      ...(key === undefined ? {} : { key }),
      isOtherCodec: this.#isOtherCodec,
      isSelfContained: this.#codec.sets.every((set) => this.#seen.has(set)),
    };
  }
}
