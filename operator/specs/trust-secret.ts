/** How texts lie in Secrets. Pure. */

/** A Secret's or ConfigMap's key in a watch. */
export function keyOfSecret(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** Base64, as Secrets have it. */
export function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** The text of what a Secret has. */
export function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}
