/** TrustBundle: public CA certificates and what is denied; made for Git. Cluster-scoped, `kubectl get trust`. */
import { z } from 'zod';
import { wholeNumber } from './fields.ts';
import { clusterMetadata, conditions, dateTime, homingApiVersion } from './metadata.ts';
import { exactlyOneOf, has, withListType, withRules } from './rules.ts';

const inlinePem = withRules(z.string().min(1).max(262_144), [
  {
    rule: "!self.contains('PRIVATE KEY')",
    message: 'holds a private key: put certificates only, and treat that key as leaked',
    holds: (text) => !text.includes('PRIVATE KEY'),
  },
  {
    rule: "self.contains('-----BEGIN CERTIFICATE-----')",
    message: 'must be PEM certificates',
    holds: (text) => text.includes('-----BEGIN CERTIFICATE-----'),
  },
]);

const reference = z.object({
  name: z.string().min(1).max(253),
  key: z.string().min(1).max(253).default('ca.crt'),
});

const trustSource = withRules(
  z.object({
    inline: inlinePem.optional(),
    configMap: reference.optional(),
    secret: reference.optional(),
  }),
  [exactlyOneOf(['inline', 'configMap', 'secret'])],
);

/** Never the hash of a certificate: an ECDSA signature can be rewritten and stays valid. */
const denied = withRules(
  z.object({
    /** Of a SubjectPublicKeyInfo. */
    sha256: z
      .string()
      .max(64)
      .regex(/^[a-f0-9]{64}$/, { error: 'must be 64 lower-case hexadecimal digits' })
      .optional(),
    identifier: z
      .string()
      .max(27)
      .regex(/^(hcsp|ab):[A-Za-z0-9+/]{22}$/, {
        error: 'must be hcsp: or ab: and 22 characters [A-Za-z0-9+/]',
      })
      .optional(),
    comment: z.string().max(256).optional(),
  }),
  [exactlyOneOf(['sha256', 'identifier'])],
);

const spec = withRules(
  z.object({
    sources: withListType(z.array(trustSource).max(16), 'atomic').optional(),
    deny: withListType(z.array(denied).max(1024), 'atomic').optional(),
  }),
  [
    {
      rule: 'size(self.?sources.orValue([])) + size(self.?deny.orValue([])) > 0',
      message: 'needs sources or deny',
      holds: (value) => ['sources', 'deny'].some((field) => has(value, field) && !isEmpty(value, field)),
    },
  ],
);

const status = z.object({
  observedGeneration: z.int().optional(),
  anchorCount: wholeNumber(0, 100_000).optional(),
  /** `3/3`: how many agents of how many have it. */
  synced: z.string().optional(),
  anchors: withListType(
    z
      .array(
        z.object({
          sha256: z.string(),
          subject: z.string().max(1024).optional(),
          notAfter: dateTime.optional(),
          uses: wholeNumber(0, 100_000).optional(),
          safeToRemove: z.boolean().optional(),
          retainedUntil: dateTime.optional(),
        }),
      )
      .max(64),
    'map',
    ['sha256'],
  ).optional(),
  conditions: conditions.optional(),
});

/** The schema of a TrustBundle. */
export const trustBundle = z.object({
  apiVersion: z.literal(homingApiVersion),
  kind: z.literal('TrustBundle'),
  metadata: clusterMetadata,
  spec,
  status: status.optional(),
});

export type TrustBundle = z.output<typeof trustBundle>;
export type TrustBundleStatus = z.output<typeof status>;

function isEmpty(value: object, field: string): boolean {
  const list: unknown = Reflect.get(value, field);
  return Array.isArray(list) && list.length === 0;
}
