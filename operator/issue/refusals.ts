/** Every reason for which a certificate is refused: what it means and what to do. docs/enrolment.md shows it. */

/** What a reason means, and what whoever runs the house does about it. */
export interface RefusalNote {
  readonly means: string;
  readonly todo: string;
}

/** The closed list. Agents get the reason with a sentence of the particular case. */
export const refusalReasons = {
  RequestInvalid: {
    means:
      'The certificate request is no PKCS #10 signed by its own key of P-256, P-384 or RSA 2048 to 4096.',
    todo: 'Update the agent. Where it was given a key of another kind: remove that, it makes a P-256 key itself.',
  },
  TokenInvalid: {
    means:
      'The API server does not take the token for the audience homing: expired, its pod is gone, or of another cluster.',
    todo: 'Nothing where the pod was just replaced. Else see that the pod mounts the projected token of the chart’s DaemonSet.',
  },
  TokenForeign: {
    means: 'The token is genuine, and of another ServiceAccount than the agents’ or for further audiences.',
    todo: 'Run agents by the chart’s DaemonSet only. Where nobody did otherwise, somebody tries doors: see whose token it is.',
  },
  TokenUnbound: {
    means: 'The token is of the agents’ ServiceAccount, and bound to no pod: somebody minted it by hand.',
    todo: 'See who may create serviceaccounts/token in homing-system, and take that right away.',
  },
  PodGone: {
    means: 'The pod of the token is not there any more, is being deleted or has ended.',
    todo: 'Nothing where the pod was just replaced: the new one enrols by itself. Else somebody kept its token.',
  },
  PodForeign: {
    means: 'The pod of the token is none of the DaemonSet homing-agent.',
    todo: 'Use the ServiceAccount homing-agent for nothing else. See who made that pod.',
  },
  NodeMismatch: {
    means: 'The token names another node than its pod is on.',
    todo: 'See who minted it: the API server does not make such tokens for pods.',
  },
  NodeUnknown: {
    means: 'The operator does not see a node of that name.',
    todo: 'Nothing in the first seconds of a node; the agent asks again.',
  },
  NodeExternal: {
    means:
      'The HomeServer of that name is external: it is pinned by its key, and a pod’s token gets nothing.',
    todo: 'Rename the HomeServer of the external machine, or take spec.external away.',
  },
  KeyUnknown: {
    means: 'It came without a token, and no resource pins its key.',
    todo: 'Put the sha256 of the message into spec.external.publicKey of the machine’s HomeServer, or spec.source.native.publicKey of the CameraClient.',
  },
  KeyInUse: {
    means: 'Another key asks for a name whose present key is connected.',
    todo: 'Where you did not reinstall that machine, somebody else has its token: look who. Else wait until the old agent is gone.',
  },
  KeyDenied: {
    means: 'The key is on the deny list.',
    todo: 'Take it out of the TrustBundle that denies it, or remove the agent’s key: it makes a new one.',
  },
  Duplicate: {
    means: 'An older resource has the same identifier or pins the same key.',
    todo: 'Delete one of the two, or give it another identifier and another key.',
  },
  NotAssigned: {
    means: 'An agent asks for the certificate of a camera that it is no bridge of, or of somebody else.',
    todo: 'Nothing where a bridge was just changed. Else that agent is out of its mind or somebody else’s: look at its machine.',
  },
  ResourceInvalid: {
    means: 'The resource of that name cannot be read by this version of the operator.',
    todo: 'Its condition Ready says which field: correct it, or update CRDs and operator together.',
  },
  NotReady: {
    means: 'The operator has not seen the whole home yet.',
    todo: 'Nothing: the agent asks again.',
  },
  TooMany: {
    means: 'More enrolments at once than the API server should review.',
    todo: 'Nothing after a power cut: agents ask again. Else something on the network floods port 17330.',
  },
  VersionUnknown: {
    means: 'Agent and operator have no version of the messages in common.',
    todo: 'Update the older one: versions next to each other work together.',
  },
  Unavailable: {
    means: 'The API server does not answer the operator.',
    todo: 'See `homing_operator_api_requests_total`; agents ask again, and all that moves cameras works meanwhile.',
  },
} as const satisfies Readonly<Record<string, RefusalNote>>;

export type RefusalReason = keyof typeof refusalReasons;

/** A refusal of one case. */
export interface Refusal {
  readonly reason: RefusalReason;
  /** What in particular; the reason's advice is added for whoever reads the agent's log. */
  readonly detail: string;
  /** Whose certificate was asked for, where that is known. */
  readonly name?: string;
  readonly retryAfterMs?: number;
}

/** The sentence for the agent: what in particular, and what to do. */
export function describeRefusal({ reason, detail }: Refusal): string {
  return `${detail}. ${refusalReasons[reason].todo}`.slice(0, 1024);
}
