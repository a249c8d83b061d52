/** What a reader of video tells: one reader a codec, one file a reader; `video-codecs.ts` chooses. */

/** What the first picture of a PES packet is. */
export interface Picture {
  /** Set where decoding can begin here. */
  readonly key?: 'idr' | 'recovery';
  /** It comes with other codec parameters than the last one that had any. */
  readonly isOtherCodec: boolean;
  /** Its own PES packet carries all parameter sets. */
  readonly isSelfContained: boolean;
}

/** State is bounded; the verdict depends on the bytes since `begin`, and on the parameter sets and the verdict before. */
export interface VideoReader {
  /** A PES packet begins. @param randomAccess random_access_indicator of its first TS packet */
  begin(randomAccess: boolean): void;
  /** @returns the verdict, once a PES packet: after that, and after a loss, bytes are skipped until `begin` */
  push(bytes: Uint8Array, from: number, to: number): Picture | undefined;
  /** A TS packet of this PES packet was lost: no verdict. */
  abandon(): void;
  /** The parameter sets known, as an Annex B byte stream; empty where there are none. */
  parameterSets(): Uint8Array;
}
