/** Takes the Lease before anything else is done, and waits while another operator lives. Writes once per start at most. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { leaseName } from '../crds/cluster.ts';
import { decideLease, holderOf, makeLease, type Holder } from './reconcile/lease.ts';
import { readNode } from './reconcile/resource-reading.ts';

export interface LeaseOptions {
  /** The pod's name; outside a cluster something that no other process has. */
  readonly identity: string;
  readonly namespace: string;
  /** A GET: undefined where there is no such object. */
  readonly get: (path: string) => Promise<unknown>;
  /** Creates or replaces, as `before` says; rejects on a conflict. */
  readonly put: (lease: object, before: unknown) => Promise<void>;
  readonly onWait: (why: string) => void;
  readonly signal: AbortSignal;
}

const lookAgainMs = 3000;

/** Resolves when the Lease is ours. Rejects where the API server refuses, and when aborted. */
export async function takeLease(options: LeaseOptions): Promise<void> {
  for (;;) {
    const why = await tryOnce(options);
    if (why === undefined) return;
    options.onWait(why);
    await sleep(lookAgainMs, undefined, { signal: options.signal });
  }
}

/** Whether the Lease is still ours; undefined where the API server does not say. */
export async function holdsLease({ identity, namespace, get }: LeaseOptions): Promise<boolean | undefined> {
  try {
    return holderOf(await get(pathOf(namespace))) === identity;
  } catch {
    return undefined;
  }
}

/** Why it is not ours; undefined where it is. */
async function tryOnce(options: LeaseOptions): Promise<string | undefined> {
  const { identity, namespace, get, put } = options;
  const before = await get(pathOf(namespace));
  const holder = holderOf(before);
  const found = holder === undefined || holder === identity ? {} : await findHolder(holder, options);
  const decision = decideLease(identity, holder, found);
  if (decision.kind === 'wait') return decision.why;
  if (decision.kind === 'take') {
    await put(makeLease({ identity, namespace, now: new Date().toISOString() }, before), before);
  }
  return undefined;
}

const pod = z.object({
  spec: z.object({ nodeName: z.string().optional() }).optional(),
  status: z.object({ phase: z.string().optional() }).optional(),
});

async function findHolder(holder: string, { namespace, get }: LeaseOptions): Promise<Holder> {
  const raw = await get(`/api/v1/namespaces/${namespace}/pods/${encodeURIComponent(holder)}`);
  if (raw === undefined) return {};
  const { spec, status } = pod.parse(raw);
  const podPhase = status?.phase ?? 'Pending';
  if (spec?.nodeName === undefined) return { podPhase };
  const node = readNode(await get(`/api/v1/nodes/${encodeURIComponent(spec.nodeName)}`));
  return node === undefined ? { podPhase } : { podPhase, isNodeReady: node.isReady };
}

function pathOf(namespace: string): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${leaseName}`;
}
