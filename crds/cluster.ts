/** Names that chart, operator, agents and tests share. Each label, annotation, Secret and port has its home here. */

/** The one namespace of an installation. */
export const systemNamespace = 'homing-system';
/** Enrolment and stream of agents. */
export const operatorPort = 17_330;
/** Secret with `ca.crt`, `deny.txt` and `revision`: mounted by agents. */
export const trustSecretName = 'homing-trust';
/** Secret of kubernetes.io/tls shape with the issuing CA, made or brought. */
export const caSecretName = 'homing-ca';
/** ConfigMap of what the operator issued: SPKI, for whom, until when. */
export const ledgerName = 'homing-ledger';
/** Lease that names the operator that runs. */
export const leaseName = 'homing-operator';
/** DaemonSet and ServiceAccount of the agents; the operator's are called `homing-operator`. */
export const agentName = 'homing-agent';
export const operatorName = 'homing-operator';
/** Audience of the agents' projected token. */
export const tokenAudience = 'homing';
/** Field manager of everything that the operator applies. */
export const fieldManager = 'homing-operator';
