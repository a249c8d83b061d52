/** Broken copies of good bytes, the same for the same seed. */

/** How often to mutate: `rounds`, times HOMING_FUZZ for a long run (`HOMING_FUZZ=100 npm test`). */
export function fuzzRounds(rounds: number): number {
  return Math.ceil(rounds * Number(process.env['HOMING_FUZZ'] ?? 1));
}

/** Test time that goes with it, in milliseconds. */
export const fuzzTimeoutMs = fuzzRounds(60_000);

/** Numbers from 0 inclusive to 1 exclusive; Mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One to four changes: flips, cuts, repeats, splices with another, bytes that parsers trip over. */
export function mutate(good: Uint8Array, others: readonly Uint8Array[], random: () => number): Buffer {
  let bytes: Buffer = Buffer.from(good);
  const changes = 1 + Math.floor(random() * 4);
  for (let change = 0; change < changes; change += 1) bytes = mutateOnce(bytes, others, random);
  return bytes;
}

const nasty = [
  ...'<>&"\'/=;,:!?-[]'.split(''),
  '<!DOCTYPE a>',
  '<?xml?>',
  '\0',
  '\n',
  '\u00ff',
  '__proto__',
  '99999999999999999999',
];

function mutateOnce(bytes: Buffer, others: readonly Uint8Array[], random: () => number): Buffer {
  const at = Math.floor(random() * bytes.length);
  const length = Math.floor(random() * 16);
  const before = bytes.subarray(0, at);
  switch (Math.floor(random() * 6)) {
    case 0: {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      return flipped;
    }
    case 1:
      return before;
    case 2:
      return Buffer.concat([before, bytes.subarray(at + length)]);
    case 3:
      return Buffer.concat([before, bytes.subarray(at, at + length), bytes.subarray(at)]);
    case 4: {
      const other = others[Math.floor(random() * others.length)] ?? bytes;
      return Buffer.concat([before, other.subarray(Math.floor(random() * other.length))]);
    }
    default: {
      const text = nasty[Math.floor(random() * nasty.length)] ?? '';
      return Buffer.concat([before, Buffer.from(text, 'latin1'), bytes.subarray(at)]);
    }
  }
}
