/**
 * MPEG transport stream packets: finding them in a stream of bytes, and their headers.
 *
 *     byte 0      1            2     3                        4 …
 *     0x47        E S P pid…   …pid  scrambling AF pay cc     [length flags … stuffing] payload
 *
 * E transport_error_indicator, S payload_unit_start_indicator, P priority; AF and pay say what follows.
 *
 * @see ISO/IEC 13818-1 (H.222.0) 2.4.3.2 to 2.4.3.5
 */

export const packetBytes = 188;
export const syncByte = 0x47;
export const nullPid = 0x1fff;

/** How many sync bytes in a row, a packet apart, make us believe in them again after sync was lost. Our choice. */
const believedSyncs = 3;
const lookaheadBytes = (believedSyncs - 1) * packetBytes;

/** A packet's header. `payloadAt` and `payloadEnd` are positions in the buffer that was parsed; equal without payload. */
export interface PacketHeader {
  readonly pid: number;
  /** A section or a PES packet begins in the payload. */
  readonly isStart: boolean;
  readonly continuity: number;
  readonly hasPayload: boolean;
  readonly isScrambled: boolean;
  readonly discontinuity: boolean;
  /** random_access_indicator. On audio it is on every packet and means nothing. */
  readonly randomAccess: boolean;
  readonly payloadAt: number;
  readonly payloadEnd: number;
  /** Made of the last eight bytes: packets with different ones are different. */
  readonly tail: number;
}

/** Takes a packet at `at` in `bytes` (valid during the call only); `offset` is its place in the stream. */
export type PacketHandler = (bytes: Uint8Array, at: number, offset: number) => void;

/**
 * Cuts a stream of bytes into packets, whatever the chunks are. Where a sync byte is missing it looks for three in a row, a
 * packet apart; what it decides depends on the bytes alone. Holds back less than three packets.
 */
export class PacketReader {
  #carry: Uint8Array = new Uint8Array(0);
  #offset: number;
  #isInSync = true;

  /** @param offset of the first byte that will be pushed */
  constructor(offset: number) {
    this.#offset = offset;
  }

  push(bytes: Uint8Array, onPacket: PacketHandler): void {
    const all = this.#carry.length === 0 ? bytes : joined(this.#carry, bytes);
    let at = 0;
    for (;;) {
      if (!this.#isInSync) at = this.#seek(all, at);
      if (!this.#isInSync || at >= all.length) break;
      if (all[at] !== syncByte) {
        this.#isInSync = false;
        continue;
      }
      if (all.length - at < packetBytes) break;
      onPacket(all, at, this.#offset + at);
      at += packetBytes;
    }
    // A copy: a Buffer's own slice() would keep the whole chunk, and see it change.
    this.#carry = Uint8Array.from(all.subarray(at));
    this.#offset += at;
  }

  /** Where the next believable packet begins, or the first place that cannot be judged yet. */
  #seek(bytes: Uint8Array, from: number): number {
    const end = bytes.length - lookaheadBytes;
    for (let at = from; at < end; at += 1) {
      if (bytes[at] !== syncByte) continue;
      if (bytes[at + packetBytes] === syncByte && bytes[at + lookaheadBytes] === syncByte) {
        this.#isInSync = true;
        return at;
      }
    }
    return Math.max(from, end);
  }
}

/** The header of the packet at `at`; undefined where it is marked broken or its adaptation field does not fit. */
export function parsePacketHeader(bytes: Uint8Array, at: number): PacketHeader | undefined {
  const word = (byte(bytes, at + 1) << 16) | (byte(bytes, at + 2) << 8) | byte(bytes, at + 3);
  const hasPayload = (word & 0x10) !== 0;
  const fieldEnd = (word & 0x20) === 0 ? 4 : 5 + byte(bytes, at + 4);
  const isBroken = (word & 0x800000) !== 0;
  if (isBroken || fieldEnd > (hasPayload ? packetBytes - 1 : packetBytes)) return undefined;
  const flags = fieldEnd > 5 ? byte(bytes, at + 5) : 0;
  return {
    pid: (word >> 8) & 0x1fff,
    isStart: (word & 0x400000) !== 0,
    continuity: word & 0x0f,
    hasPayload,
    isScrambled: (word & 0xc0) !== 0,
    discontinuity: (flags & 0x80) !== 0,
    randomAccess: (flags & 0x40) !== 0,
    payloadAt: at + (hasPayload ? fieldEnd : packetBytes),
    payloadEnd: at + packetBytes,
    tail: quad(bytes, at + packetBytes - 8) ^ Math.imul(quad(bytes, at + packetBytes - 4), 31),
  };
}

/** What a packet's counter says about the one before it on its PID. */
export type Continuity = 'next' | 'repeated' | 'broken';

/**
 * Compares a packet's counter with the last one of its PID. A packet without payload repeats the counter and a packet may
 * be sent twice; discontinuity_indicator allows any step.
 *
 * @param last undefined where none was seen
 * @param lastTail of that packet: another one with its counter is no repetition (a muxer that began anew)
 */
export function judgeContinuity(
  header: PacketHeader,
  last: number | undefined,
  lastTail: number | undefined,
): Continuity {
  if (last === undefined || header.pid === nullPid) return 'next';
  if (header.discontinuity) return 'broken';
  if (!header.hasPayload) return header.continuity === last ? 'next' : 'broken';
  if (header.continuity === last) return header.tail === lastTail ? 'repeated' : 'broken';
  return header.continuity === ((last + 1) & 0x0f) ? 'next' : 'broken';
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

function quad(bytes: Uint8Array, at: number): number {
  return (
    (byte(bytes, at) << 24) | (byte(bytes, at + 1) << 16) | (byte(bytes, at + 2) << 8) | byte(bytes, at + 3)
  );
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a, 0);
  all.set(b, a.length);
  return all;
}
