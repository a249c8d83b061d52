/** Field types that several kinds share, each with its bounds and its sentence of what would be right. */
import { z } from 'zod';
import { durationPattern, parseDuration } from './duration.ts';
import { parseQuantity, quantityPattern } from './quantity.ts';
import { matches, withListType, withRules, type Rule } from './rules.ts';

/** A whole number; the bounds are in its messages. */
export function wholeNumber(minimum: number, maximum: number): z.ZodInt {
  return z.int().min(minimum).max(maximum);
}

/** A duration between two others, like `durationBetween('1s', '5m')`. Stays text: the API server's form. */
export function durationBetween(shortest: string, longest: string): z.ZodString {
  const [least, most] = [parseDuration(shortest) ?? 0, parseDuration(longest) ?? 0];
  return withRules(z.string().max(16), [
    {
      rule: `${matches(durationPattern)} && duration(self) >= duration('${shortest}') && duration(self) <= duration('${longest}')`,
      message: `must be a duration from ${shortest} to ${longest}`,
      holds: (text) => {
        const milliseconds = parseDuration(text);
        return milliseconds !== undefined && milliseconds >= least && milliseconds <= most;
      },
    },
  ]);
}

/** An amount of bytes above 0, like `200Gi`. Stays text: the API server's form. */
export function quantity(): z.ZodString {
  return withRules(z.string().max(20), [
    {
      rule: `${matches(quantityPattern)} && isQuantity(self) && quantity(self).isGreaterThan(quantity("0"))`,
      message: 'must be a quantity above 0, like 200Gi',
      holds: (text) => (parseQuantity(text) ?? 0) > 0,
    },
  ]);
}

/** The 22 characters of an identifier, without its `hcsp:` or `ab:`. */
export const identifier = z
  .string()
  .max(22)
  .regex(/^[A-Za-z0-9+/]{22}$/, { error: 'must be the 22 characters [A-Za-z0-9+/] of an identifier' });

/** What a feature's name looks like, and the sentence that says so. */
export const featurePattern = /^[a-z0-9.-]{1,32}$/;
export const featureMessage = 'must be 1 to 32 characters [a-z0-9.-]';

/** A feature's name. */
export const feature = z.string().max(32).regex(featurePattern, { error: featureMessage });

/** A server's, camera's, namespace's, stream's or sink's name: one DNS label (RFC 1123). */
export const label = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, {
    error: 'must be a DNS label: 1 to 63 characters [a-z0-9-], no dash first or last',
  });

/** Any other object's name: DNS labels with dots between (RFC 1123 subdomain). */
export const subdomain = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/, {
    error: 'must be DNS labels [a-z0-9-] with dots between',
  });

/** A key of a ConfigMap's or Secret's data. */
export const dataKey = z
  .string()
  .max(253)
  .regex(/^[-._a-zA-Z0-9]{1,253}$/, { error: 'must be 1 to 253 characters [-._a-zA-Z0-9]' });

const port = '([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])';
const portPattern = new RegExp(`:${port}$`);

/** `host:port` or `[IPv6]:port`. */
export const hostAndPort = withRules(
  z
    .string()
    .max(261)
    .regex(/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$/, { error: 'must be HOST:PORT or [IPV6]:PORT' }),
  [
    {
      rule: matches(portPattern),
      message: 'must have a port from 1 to 65535',
      holds: (text) => !/:\d{1,5}$/.test(text) || portPattern.test(text),
    },
  ],
);

/** `sha256:` and the lower-case hexadecimal SHA-256 of a SubjectPublicKeyInfo. */
export const publicKeyPin = z
  .string()
  .max(71)
  .regex(/^sha256:[a-f0-9]{64}$/, { error: 'must be sha256: and 64 lower-case hexadecimal digits' });

/** The name of a command that the installation knows; never a command line. */
export const commandName = z
  .string()
  .max(63)
  .regex(/^[a-z0-9-]{1,63}$/, {
    error: 'must be the name of an installed command: 1 to 63 characters [a-z0-9-]',
  });

const printable = /^[!#-&(-[\]-~]+$/;
const userInfo = /^[a-z]+:[/]{2}[^/?#]*@/i;

const urlText: Rule<string>[] = [
  {
    rule: matches(printable),
    message: 'must be printable ASCII without blanks, quotes and backslashes (percent-encode them)',
    holds: (text) => text === '' || printable.test(text),
  },
  {
    rule: `!${matches(userInfo)}`,
    message: 'must hold no user or password: use credentialsRef',
    holds: (text) => !userInfo.test(text),
  },
];

/**
 * A camera's URL with one of two schemes; credentials are kept out of it.
 *
 * Its parts are matched here, and not by CEL's `isURL()`: Go and JavaScript do not agree on what a URL is.
 */
export function cameraUrl(scheme: string, secureScheme: string): z.ZodString {
  const host = String.raw`([a-z0-9._-]+|\[[0-9a-f:.]+\])`;
  const pattern = new RegExp(
    `^(${scheme}|${secureScheme})://([^/?#]*@)?${host}(:${port})?([/?][^#]*)?$`,
    'i',
  );
  return withRules(z.string().min(1).max(2048), [
    {
      rule: matches(pattern),
      message: `must be a URL with scheme ${scheme} or ${secureScheme}`,
      holds: (text) => pattern.test(text) && URL.canParse(text),
    },
    ...urlText,
  ]);
}

/** A list without repetition. */
export function setOf<Item extends z.ZodType>(item: Item, maxItems: number): z.ZodArray<Item> {
  return withListType(
    // The API server checks this by the list type itself.
    z.array(item).max(maxItems).refine(hasNoRepetition, { error: 'must name each only once' }),
    'set',
  );
}

function hasNoRepetition(items: readonly unknown[]): boolean {
  return new Set(items).size === items.length;
}
