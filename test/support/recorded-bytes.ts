/** A source whose bytes are known by their offsets alone: text, one character in forty a line end. */

/** The byte at an offset. */
function recordedByte(offset: number): number {
  const mixed = Math.imul(offset + 1, 2_654_435_761) >>> 8;
  return mixed % 40 === 0 ? 10 : 97 + (mixed % 26);
}

/** The bytes [from, from + length). */
export function recordedBytes(from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index += 1) bytes[index] = recordedByte(from + index);
  return bytes;
}
