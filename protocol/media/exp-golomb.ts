/** Exp-Golomb codes, in which H.264 and H.265 write most of their numbers. */

/** The code at a bit position; undefined where it does not fit. @see ITU-T H.264 9.1, H.265 9.2 */
export function readUe(bytes: Uint8Array, bitAt: number): number | undefined {
  const end = bytes.length * 8;
  let zeros = 0;
  while (bitAt + zeros < end && bit(bytes, bitAt + zeros) === 0) zeros += 1;
  if (zeros > 31 || bitAt + 2 * zeros >= end) return undefined;
  let value = 0;
  for (let index = 0; index <= zeros; index += 1) value = value * 2 + bit(bytes, bitAt + zeros + index);
  return value - 1;
}

function bit(bytes: Uint8Array, at: number): number {
  return ((bytes[at >> 3] ?? 0) >> (7 - (at & 7))) & 1;
}
