/** TrustBundles out of what the API server gives: values, or what can be told of one that this version cannot read. Pure. */
import { z } from 'zod';
import { conditions, type Condition } from '../../crds/metadata.ts';
import { trustBundle, type TrustBundle } from '../../crds/trust-bundle.ts';

/** A TrustBundle that is there and that this version cannot read: nobody knows what it trusts; what it denies is denied. */
export interface UnreadableBundle {
  readonly name: string;
  readonly generation: number | undefined;
  readonly conditions: readonly Condition[];
  /** Entries of `spec.deny` that can be read. */
  readonly denied: readonly string[];
  readonly message: string;
}

/** Reads one; a status that this version cannot read counts as none. */
export function readTrustBundle(raw: unknown): TrustBundle | UnreadableBundle {
  const { status, ...rest } = parts.parse(raw);
  const read = trustBundle.safeParse({ ...rest, status });
  if (read.success) return read.data;
  const bare = trustBundle.safeParse(rest);
  if (bare.success) return bare.data;
  const problems = bare.error.issues.slice(0, 5).map(({ path, message }) => `${path.join('.')}: ${message}`);
  return {
    name: rest.metadata.name,
    generation: rest.metadata.generation,
    conditions: withConditions.safeParse(status).data?.conditions ?? [],
    denied: (denying.safeParse(rest).data?.spec.deny ?? []).flatMap((entry) => {
      const { sha256, identifier } = denial.safeParse(entry).data ?? {};
      return sha256 ?? identifier ?? [];
    }),
    message: `${problems.join('; ')}. Correct it, or update CRDs and operator together. What was trusted before stays.`,
  };
}

/** Whether it could not be read. */
export function isUnreadable(read: TrustBundle | UnreadableBundle): read is UnreadableBundle {
  return 'denied' in read;
}

const parts = z.looseObject({
  metadata: z.looseObject({ name: z.string(), generation: z.number().optional() }),
  status: z.unknown().optional(),
});
const withConditions = z.object({ conditions });
const denying = z.object({ spec: z.object({ deny: z.array(z.unknown()) }) });
const denial = z.object({
  sha256: z
    .string()
    .regex(/^[a-f0-9]{64}$/)
    .optional(),
  identifier: z
    .string()
    .regex(/^(hcsp|ab):[A-Za-z0-9+/]{22}$/)
    .optional(),
});
