/** Who asks for a certificate: what the TokenReview says of a token, judged. Pure. */
import { z } from 'zod';
import { agentName, tokenAudience } from '../../crds/cluster.ts';

const review = z.object({
  status: z.object({
    authenticated: z.boolean().optional(),
    error: z.string().optional(),
    audiences: z.array(z.string()).optional(),
    user: z
      .object({
        username: z.string().optional(),
        extra: z.record(z.string(), z.array(z.string())).optional(),
      })
      .optional(),
  }),
});

const pod = z.object({
  metadata: z.object({
    uid: z.string(),
    deletionTimestamp: z.string().optional(),
    ownerReferences: z.array(z.object({ kind: z.string(), name: z.string() })).optional(),
  }),
  spec: z.object({ nodeName: z.string().optional() }),
});

/** The pod that a token is bound to, as the TokenReview says. */
export interface TokenPod {
  readonly name: string;
  readonly uid: string;
}

export type EnrolmentRefusal = 'TokenInvalid' | 'TokenForeign' | 'PodGone';

/** Which pod the token is of, or why it is none of ours. */
export function readTokenReview(raw: unknown, namespace: string): TokenPod | EnrolmentRefusal {
  const { status } = review.parse(raw);
  const { authenticated, audiences = [], user } = status;
  if (authenticated !== true || !audiences.includes(tokenAudience)) return 'TokenInvalid';
  const name = extraOf(user, 'pod-name');
  const uid = extraOf(user, 'pod-uid');
  if (user?.username !== `system:serviceaccount:${namespace}:${agentName}`) return 'TokenForeign';
  return name === undefined || uid === undefined ? 'TokenForeign' : { name, uid };
}

type User = z.output<typeof review>['status']['user'];

function extraOf(user: User, key: string): string | undefined {
  return user?.extra?.[`authentication.kubernetes.io/${key}`]?.[0];
}

/** The node of that pod, which is the server's name, or why it is none. */
export function judgePod(raw: unknown, { uid }: TokenPod): { readonly node: string } | EnrolmentRefusal {
  const read = pod.safeParse(raw);
  if (!read.success || read.data.metadata.uid !== uid) return 'PodGone';
  const { metadata, spec } = read.data;
  const isOurs = metadata.ownerReferences?.some(
    ({ kind, name }) => kind === 'DaemonSet' && name === agentName,
  );
  if (isOurs !== true) return 'TokenForeign';
  return spec.nodeName === undefined ? 'PodGone' : { node: spec.nodeName };
}
