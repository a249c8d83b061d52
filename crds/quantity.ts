/** Quantities as Kubernetes writes them: `200Gi`, `5G`, `1.5Ti`, `1e9`. */

const factorBySuffix: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};
/** What a quantity looks like. The API server takes more digits, and is told not to. */
export const quantityPattern =
  /^([+-]?(?:\d{1,18}(?:\.\d{0,9})?|\.\d{1,9}))(?:([eE][+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?$/;
const maxQuantityCharacters = 20;

/**
 * The number that a quantity stands for, or undefined where `text` is none.
 *
 * @example parseQuantity('200Gi') // 214_748_364_800
 * @see k8s.io/apimachinery resource.Quantity; digits beyond 2^53 are rounded
 */
export function parseQuantity(text: string): number | undefined {
  if (text.length > maxQuantityCharacters) return undefined;
  const match = quantityPattern.exec(text);
  if (match === null) return undefined;
  const [, digits, exponent, suffix] = match;
  if (exponent !== undefined) return Number(`${digits}${exponent}`);
  return Number(digits) * (factorBySuffix[suffix ?? ''] ?? Number.NaN);
}

/** Bytes of a quantity that a schema has let through, rounded up to whole ones. */
export function quantityBytes(text: string): number {
  const parsed = parseQuantity(text);
  if (parsed === undefined) throw new RangeError(`${JSON.stringify(text)} is no quantity`);
  return Math.ceil(parsed);
}
