/** Who asks for a certificate: what a token says, what the TokenReview says of it, and what its pod is, judged. Pure. */
import { z } from 'zod';
import { agentName, tokenAudience } from '../../crds/cluster.ts';
import { type Result, bad, good, quote } from '../../protocol/result.ts';
import type { RefusalReason } from './refusals.ts';

/** The pod that a token is bound to, as the TokenReview says. */
export interface TokenPod {
  readonly name: string;
  readonly uid: string;
  /** Absent before Kubernetes 1.30. */
  readonly nodeName?: string;
}

/** `system:serviceaccount:<namespace>:homing-agent` */
function agentUser(namespace: string): string {
  return `system:serviceaccount:${namespace}:${agentName}`;
}

const claims = z.object({
  sub: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
});

/**
 * What the token says of itself, before anybody has verified it: what isn't of our agents costs the API server nothing.
 * Tokens of pods are JWTs (RFC 7519). The clock is the API server's to judge.
 */
export function glanceAtToken(token: string, namespace: string): Result<string, RefusalReason> {
  const parts = token.split('.');
  const read = parts.length === 3 ? claims.safeParse(decodeJson(parts[1] ?? '')) : undefined;
  if (read?.success !== true) return bad('TokenInvalid', 'the token is no JWT of a service account');
  const { sub, aud } = read.data;
  if (sub !== agentUser(namespace)) {
    return bad('TokenForeign', `the token is of ${quote(sub)} and not of ${agentUser(namespace)}`);
  }
  // One that is good elsewhere, too, is in other hands, too.
  const audiences = typeof aud === 'string' ? [aud] : aud;
  if (!audiences.includes(tokenAudience)) {
    return bad('TokenInvalid', `the token is for ${quote(audiences.join(' '))} and not for ${tokenAudience}`);
  }
  if (audiences.length !== 1) return bad('TokenForeign', `the token is for ${audiences.length} audiences`);
  return good(token);
}

const review = z.object({
  status: z.object({
    authenticated: z.boolean().optional(),
    error: z.string().default('it is not authentic'),
    audiences: z.array(z.string()).default([]),
    user: z
      .object({
        username: z.string().optional(),
        extra: z.record(z.string(), z.array(z.string())).optional(),
      })
      .optional(),
  }),
});

/** Which pod the token is of, by the API server's word. */
export function judgeReview(raw: unknown, namespace: string): Result<TokenPod, RefusalReason> {
  const read = review.safeParse(raw);
  if (!read.success) return bad('Unavailable', 'the API server’s review of the token cannot be read');
  const { authenticated, audiences, error, user } = read.data.status;
  if (authenticated !== true) return bad('TokenInvalid', `the API server refuses the token: ${quote(error)}`);
  if (!audiences.includes(tokenAudience)) {
    return bad('TokenInvalid', `the API server takes the token for another audience than ${tokenAudience}`);
  }
  if (user?.username !== agentUser(namespace)) {
    return bad('TokenForeign', `the token is of ${quote(user?.username ?? 'nobody')}`);
  }
  return readBinding(user.extra ?? {});
}

function readBinding(extra: Readonly<Record<string, readonly string[]>>): Result<TokenPod, RefusalReason> {
  const only = (key: string): string | undefined => {
    const values = extra[`authentication.kubernetes.io/${key}`] ?? [];
    return values.length === 1 ? values[0] : undefined;
  };
  const [name, uid, nodeName] = [only('pod-name'), only('pod-uid'), only('node-name')];
  if (name === undefined || uid === undefined) return bad('TokenUnbound', 'the token is bound to no pod');
  return good({ name, uid, ...(nodeName === undefined ? {} : { nodeName }) });
}

const described = z.object({ metadata: z.object({ uid: z.string() }) });

const pod = z.object({
  metadata: z.object({
    uid: z.string(),
    deletionTimestamp: z.string().optional(),
    ownerReferences: z
      .array(
        z.object({
          apiVersion: z.string(),
          kind: z.string(),
          name: z.string(),
          uid: z.string(),
          controller: z.boolean().optional(),
        }),
      )
      .optional(),
  }),
  spec: z.object({ nodeName: z.string().optional(), serviceAccountName: z.string().optional() }),
  status: z.object({ phase: z.string().optional() }).optional(),
});

/** As the API server has them now; undefined where they are not there. */
export interface PodFacts {
  readonly pod: unknown;
  /** The DaemonSet `homing-agent` of our namespace. */
  readonly daemonSet: unknown;
}

/** The node of that pod, which is the server's name. */
export function judgePod(facts: PodFacts, token: TokenPod): Result<string, RefusalReason> {
  const read = pod.safeParse(facts.pod);
  if (!read.success || read.data.metadata.uid !== token.uid) {
    return bad('PodGone', `the pod ${quote(token.name)} of the token is gone`);
  }
  const { metadata, spec } = read.data;
  const end = describeEnd(read.data);
  if (end !== undefined) return bad('PodGone', `the pod ${quote(token.name)} ${end}`);
  const daemonSetUid = described.safeParse(facts.daemonSet).data?.metadata.uid;
  if (!isOwnedBy(metadata.ownerReferences, daemonSetUid) || spec.serviceAccountName !== agentName) {
    return bad('PodForeign', `the pod ${quote(token.name)} is none of the DaemonSet ${agentName}`);
  }
  return judgeNode(spec.nodeName, token);
}

function describeEnd({ metadata, status }: z.output<typeof pod>): string | undefined {
  if (metadata.deletionTimestamp !== undefined) return 'is being deleted';
  return status?.phase === 'Failed' || status?.phase === 'Succeeded' ? 'has ended' : undefined;
}

type Owners = z.output<typeof pod>['metadata']['ownerReferences'];

function isOwnedBy(owners: Owners, daemonSetUid: string | undefined): boolean {
  const owner = owners?.find(({ controller }) => controller === true);
  if (owner?.kind !== 'DaemonSet' || !owner.apiVersion.startsWith('apps/')) return false;
  return owner.name === agentName && owner.uid === daemonSetUid;
}

function judgeNode(podNode: string | undefined, token: TokenPod): Result<string, RefusalReason> {
  if (podNode === undefined) return bad('PodGone', `the pod ${quote(token.name)} is on no node yet`);
  if (token.nodeName !== undefined && token.nodeName !== podNode) {
    return bad('NodeMismatch', `the token names the node ${quote(token.nodeName)}, its pod is on ${podNode}`);
  }
  return good(podNode);
}

function decodeJson(base64: string): unknown {
  try {
    return JSON.parse(Buffer.from(base64, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
