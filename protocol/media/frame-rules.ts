/** Where frames begin among NAL units: what a codec has to say of it. */

/** One object reads one stream: it may remember the slice before. */
export interface FrameRules {
  /** The unit holds picture data: it goes into the hash. */
  isPicture(header: number): boolean;
  isKey(header: number): boolean;
  /** So many bytes of a unit are enough for `begins`. */
  readonly headBytes: number;
  /** @param head the unit's first bytes; @param hasPicture the frame has picture data already */
  begins(head: Uint8Array, hasPicture: boolean): boolean;
}
