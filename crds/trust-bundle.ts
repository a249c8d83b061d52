/** TrustBundle: public CA certificates and what is denied; made for Git. Cluster-scoped, `kubectl get trust`. */
import { z } from 'zod';
import { dataKey, subdomain, wholeNumber } from './fields.ts';
import { clusterMetadata, conditions, dateTime, homingApiVersion, observedGeneration } from './metadata.ts';
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
  name: subdomain.describe('Its name, in the namespace of the installation.'),
  key: dataKey.default('ca.crt').describe('Key of its data that holds the PEM text.'),
});

const trustSource = withRules(
  z.object({
    inline: inlinePem.optional().describe('The certificates themselves, as PEM text. Public: made for Git.'),
    configMap: reference.optional().describe('A ConfigMap that holds them.'),
    secret: reference.optional().describe('A Secret that holds them (never their private keys).'),
  }),
  [exactlyOneOf(['inline', 'configMap', 'secret'])],
);

/** Never the hash of a certificate: an ECDSA signature can be rewritten and stays valid. */
const denied = withRules(
  z.object({
    sha256: z
      .string()
      .max(64)
      .regex(/^[a-f0-9]{64}$/, { error: 'must be 64 lower-case hexadecimal digits' })
      .optional()
      .describe('SHA-256 of a public key (SubjectPublicKeyInfo), never of a certificate.'),
    identifier: z
      .string()
      .max(27)
      .regex(/^(hcsp|ab):[A-Za-z0-9+/]{22}$/, {
        error: 'must be hcsp: or ab: and 22 characters [A-Za-z0-9+/]',
      })
      .optional()
      .describe('An identifier, hcsp:… of a server or ab:… of a client.'),
    comment: z.string().max(256).optional().describe('Why, for people.'),
  }),
  [exactlyOneOf(['sha256', 'identifier'])],
);

const spec = withRules(
  z.object({
    sources: withListType(z.array(trustSource).max(16), 'atomic')
      .optional()
      .describe('Where CA certificates come from; all bundles together are trusted.'),
    deny: withListType(z.array(denied).max(1024), 'atomic')
      .optional()
      .describe('Keys and identifiers that are refused at once, on live sessions too.'),
  }),
  [
    {
      rule: 'size(self.?sources.orValue([])) + size(self.?deny.orValue([])) > 0',
      message: 'needs sources or deny',
      holds: (value) => ['sources', 'deny'].some((field) => has(value, field) && !isEmpty(value, field)),
    },
  ],
).describe('Whom to trust, and whom to refuse.');

const anchor = z.object({
  sha256: z.string().max(64).describe('SHA-256 of its public key.'),
  subject: z.string().max(1024).optional().describe('Whose it says that it is.'),
  notAfter: dateTime.optional().describe('Until when it is good.'),
  uses: wholeNumber(0, 100_000)
    .optional()
    .describe('Live sessions, links and certificates in use that it signed.'),
  safeToRemove: z.boolean().optional().describe('Whether nothing would be lost if it went now.'),
  retainedUntil: dateTime.optional().describe('Out of every source, and trusted until then.'),
});

const status = z
  .object({
    observedGeneration: observedGeneration.optional(),
    anchorCount: wholeNumber(0, 100_000).optional().describe('CA certificates that this bundle brings.'),
    synced: z.string().optional().describe('How many agents of how many have it, as 3/3.'),
    anchors: withListType(z.array(anchor).max(64), 'map', ['sha256'])
      .optional()
      .describe('The CA certificates that this bundle brings.'),
    conditions: conditions.optional().describe('Ready, with its reason.'),
  })
  .describe('What the operator made of it. Written by the operator alone.');

/** The schema of a TrustBundle. */
export const trustBundle = z
  .object({
    apiVersion: z.literal(homingApiVersion),
    kind: z.literal('TrustBundle'),
    metadata: clusterMetadata,
    spec,
    status: status.optional(),
  })
  .describe('CA certificates that the home trusts, and keys and identifiers that it refuses.');

export type TrustBundle = z.output<typeof trustBundle>;
export type TrustBundleStatus = z.output<typeof status>;

function isEmpty(value: object, field: string): boolean {
  const list: unknown = Reflect.get(value, field);
  return Array.isArray(list) && list.length === 0;
}
