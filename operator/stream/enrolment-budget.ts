/** How often somebody may ask for a certificate: each enrolment costs the API server a review. Pure. */

interface Bucket {
  /** Enrolments that are left. */
  left: number;
  atMs: number;
}

/** Our choice: a home's nodes, which may share one address behind a Service, start at once after a power cut. */
const perSource = { burst: 60, perSecond: 2 };
const forAll = { burst: 240, perSecond: 20 };
/** Sources that are remembered; more at once are strangers that share what is left for all. */
const maxSources = 1024;

export class EnrolmentBudget {
  readonly #sources = new Map<string, Bucket>();
  readonly #all: Bucket;

  constructor(nowMs: number) {
    this.#all = { left: forAll.burst, atMs: nowMs };
  }

  /** Whether that source may ask now; counts it where it may. */
  take(source: string, nowMs: number): boolean {
    const bucket = this.#bucketOf(source, nowMs);
    refill(bucket, perSource, nowMs);
    refill(this.#all, forAll, nowMs);
    if (bucket.left < 1 || this.#all.left < 1) return false;
    bucket.left -= 1;
    this.#all.left -= 1;
    return true;
  }

  #bucketOf(source: string, nowMs: number): Bucket {
    const known = this.#sources.get(source);
    if (known !== undefined) return known;
    if (this.#sources.size >= maxSources) this.#forgetFull(nowMs);
    const bucket: Bucket = { left: perSource.burst, atMs: nowMs };
    if (this.#sources.size < maxSources) this.#sources.set(source, bucket);
    return bucket;
  }

  /** A bucket that is full again is like one that was never there. */
  #forgetFull(nowMs: number): void {
    for (const [source, bucket] of this.#sources) {
      refill(bucket, perSource, nowMs);
      if (bucket.left >= perSource.burst) this.#sources.delete(source);
    }
  }
}

function refill(
  bucket: Bucket,
  { burst, perSecond }: { readonly burst: number; readonly perSecond: number },
  nowMs: number,
): void {
  const seconds = Math.max(0, nowMs - bucket.atMs) / 1000;
  bucket.left = Math.min(burst, bucket.left + seconds * perSecond);
  bucket.atMs = nowMs;
}
