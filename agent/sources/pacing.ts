/** When the bytes of a file are due, by the program clock references in an MPEG transport stream. Pure. */

const packetBytes = 188;
const syncByte = 0x47;
const ticksPerMs = 27_000;
const pcrWrapTicks = 2 ** 33 * 300;
/** Two references lie at most 100 ms apart (ISO 13818-1, 2.7.2); a longer step is a splice, not a pause. */
const maxStepMs = 10_000;
/** A stream without references has no pace of its own: 2 Mbit/s. */
const bytesPerMsWithoutClock = 256;

/** Bytes that belong together, and when they are due, in milliseconds since the first of them all. */
export interface PacedBytes {
  readonly bytes: Uint8Array;
  readonly dueMs: number;
}

/** Splits a transport stream at its references. Bytes that are no packets go with those before them. */
export class PcrPacer {
  #rest: Uint8Array = new Uint8Array(0);
  #pid: number | undefined;
  #lastTicks: number | undefined;
  #dueMs = 0;
  #previousDueMs = 0;

  /** @returns the input, in order and whole but for a partial packet that is kept for the next call */
  push(input: Uint8Array): readonly PacedBytes[] {
    const bytes = this.#rest.length === 0 ? input : Buffer.concat([this.#rest, input]);
    const paced: PacedBytes[] = [];
    let start = 0;
    let at = 0;
    while (at + packetBytes <= bytes.length) {
      if (bytes[at] !== syncByte) {
        at += 1;
        continue;
      }
      const packet = bytes.subarray(at, at + packetBytes);
      if (this.#advance(packet) && at > start) {
        paced.push({ bytes: bytes.subarray(start, at), dueMs: this.#previousDueMs });
        start = at;
      }
      at += packetBytes;
    }
    if (at > start) paced.push({ bytes: bytes.subarray(start, at), dueMs: this.#dueMs });
    if (this.#pid === undefined) this.#dueMs += at / bytesPerMsWithoutClock;
    // A copy: slices of a Buffer are views, and one of a few bytes would hold all of the chunk.
    this.#rest = new Uint8Array(bytes.subarray(at));
    return paced;
  }

  /** The partial packet at the end of a file. */
  flush(): PacedBytes {
    const bytes = this.#rest;
    this.#rest = new Uint8Array(0);
    return { bytes, dueMs: this.#dueMs };
  }

  #advance(packet: Uint8Array): boolean {
    const pcr = readPcr(packet);
    if (pcr === undefined || (this.#pid !== undefined && this.#pid !== pcr.pid)) return false;
    this.#previousDueMs = this.#dueMs;
    if (this.#lastTicks !== undefined) {
      const stepMs = ((pcr.ticks - this.#lastTicks + pcrWrapTicks) % pcrWrapTicks) / ticksPerMs;
      if (stepMs <= maxStepMs) this.#dueMs += stepMs;
    }
    this.#pid = pcr.pid;
    this.#lastTicks = pcr.ticks;
    return true;
  }
}

/**
 *     47 | tei pusi prio pid:13 | scrambling:2 adaptation:2 cc:4 | length:8 | flags:8 | pcr base:33 reserved:6 extension:9
 *
 * @see ISO 13818-1, 2.4.3.4
 */
function readPcr(packet: Uint8Array): { readonly pid: number; readonly ticks: number } | undefined {
  const view = new DataView(packet.buffer, packet.byteOffset, packetBytes);
  const hasAdaptation = (view.getUint8(3) & 0x20) !== 0;
  if (!hasAdaptation || view.getUint8(4) < 7 || (view.getUint8(5) & 0x10) === 0) return undefined;
  const base = view.getUint32(6) * 2 + (view.getUint8(10) >> 7);
  const extension = ((view.getUint8(10) & 1) << 8) | view.getUint8(11);
  return { pid: view.getUint16(1) & 0x1fff, ticks: base * 300 + extension };
}
