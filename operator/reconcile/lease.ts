/** Which operator runs: a Lease that is taken once per start and never renewed, so that an idle house writes nothing. Pure. */
import { z } from 'zod';
import { leaseName } from '../../crds/cluster.ts';

const lease = z.object({
  spec: z.object({ holderIdentity: z.string().optional(), leaseTransitions: z.int().optional() }).optional(),
});

/** What is known of the pod that holds the Lease, and of its node. */
export interface Holder {
  /** Absent: there is no such pod. */
  readonly podPhase?: string;
  /** Absent: it is on no node, or that is gone. */
  readonly isNodeReady?: boolean;
}

export type LeaseDecision =
  | { readonly kind: 'ours' }
  | { readonly kind: 'take'; readonly why: string }
  | { readonly kind: 'wait'; readonly why: string };

/** Who holds it, in the Lease as the API server has it. */
export function holderOf(raw: unknown): string | undefined {
  const holder = lease.safeParse(raw).data?.spec?.holderIdentity;
  return holder === '' ? undefined : holder;
}

/** Whether the operator called `identity` may run. */
export function decideLease(
  identity: string,
  holder: string | undefined,
  { podPhase, isNodeReady }: Holder,
): LeaseDecision {
  if (holder === identity) return { kind: 'ours' };
  if (holder === undefined) return { kind: 'take', why: 'nobody holds it' };
  if (podPhase === undefined) return { kind: 'take', why: `the pod ${holder} is gone` };
  if (podPhase === 'Succeeded' || podPhase === 'Failed')
    return { kind: 'take', why: `the pod ${holder} has ended` };
  if (isNodeReady !== true) return { kind: 'take', why: `the node of the pod ${holder} is not ready` };
  return { kind: 'wait', why: `the pod ${holder} runs` };
}

/** The Lease as its new holder writes it. @param now RFC 3339 */
export function makeLease(
  {
    identity,
    namespace,
    now,
  }: { readonly identity: string; readonly namespace: string; readonly now: string },
  before: unknown,
) {
  const transitions = lease.safeParse(before).data?.spec?.leaseTransitions ?? 0;
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: leaseName, namespace },
    spec: {
      holderIdentity: identity,
      // MicroTime.
      acquireTime: now.replace(/\.(\d{3})Z$/, '.$1000Z'),
      leaseTransitions: before === undefined ? 0 : transitions + 1,
    },
  };
}
