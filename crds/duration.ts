/** Durations as Kubernetes and Go write them: `10s`, `1h30m`, `100ms`, `1.5h`. */

const millisecondsByUnit: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
/** What a duration looks like. Go takes more (`+10s`, `.5h`), and the API server is told not to. */
export const durationPattern = /^(?:\d{1,9}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h))+$/;
const partPattern = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g;
/** Longer texts are no durations; also keeps the patterns' work bounded. */
const maxDurationCharacters = 16;

/**
 * Milliseconds of a duration, or undefined where `text` is none.
 *
 * @example parseDuration('1h30m') // 5_400_000
 * @see Go's time.ParseDuration, which is what the API server's CEL `duration()` takes; signs are left out
 */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (text.length > maxDurationCharacters || !durationPattern.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(partPattern)) {
    total += Number(amount) * (millisecondsByUnit[unit ?? ''] ?? 0);
  }
  return total;
}

/** Milliseconds of a duration that a schema has let through. */
export function durationMs(text: string): number {
  const parsed = parseDuration(text);
  if (parsed === undefined) throw new RangeError(`${JSON.stringify(text)} is no duration`);
  return parsed;
}
