/** How fast each camera may write: a token bucket each, so that one that floods slows down nobody else. */

/** A ring that is replayed comes as fast as the network goes: that much may come at once. */
const burstBytes = 64 * 1024 * 1024;

/** Buckets of cameras, in bytes; a camera that has not written for long costs nothing. */
export class RecordRates {
  readonly #bytesPerMs: number;
  readonly #buckets = new Map<string, { bytes: number; atMs: number }>();

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** Bytes that the camera may write now. */
  allowance(camera: string, nowMs: number): number {
    const bucket = this.#buckets.get(camera);
    if (bucket === undefined) return burstBytes;
    return Math.min(burstBytes, bucket.bytes + (nowMs - bucket.atMs) * this.#bytesPerMs);
  }

  /** Until the camera may write again. */
  waitMs(camera: string, nowMs: number): number {
    const allowance = this.allowance(camera, nowMs);
    return allowance >= 1 ? 0 : Math.ceil((1 - allowance) / this.#bytesPerMs);
  }

  spend(camera: string, bytes: number, nowMs: number): void {
    const left = this.allowance(camera, nowMs) - bytes;
    if (left >= burstBytes) this.#buckets.delete(camera);
    else this.#buckets.set(camera, { bytes: left, atMs: nowMs });
  }
}
