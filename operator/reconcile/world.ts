/** What the operator knows when it decides: resources, nodes, and what agents report. Plain values, no client in sight. */
import type { CameraClient } from '../../crds/camera-client.ts';
import type { HomeServer } from '../../crds/home-server.ts';
import type { Condition } from '../../crds/metadata.ts';
import type { Report } from '../../crds/operator-messages.ts';

/** A node, as far as it concerns us. */
export interface ClusterNode {
  readonly name: string;
  readonly uid: string;
  readonly isReady: boolean;
  /** Cordoned. */
  readonly isUnschedulable: boolean;
}

/** One agent (or native client) and the last that it said. */
export interface AgentView {
  /** The server's name, or the client's `namespace/name`. */
  readonly name: string;
  /** Of its program. */
  readonly version: string;
  /** Since when its stream is closed; absent while it is open. */
  readonly silentSinceMs?: number;
  readonly report?: Report;
}

/** What became of a camera's Secret. */
export type CredentialProblem = 'SecretNotFound' | 'SecretIncomplete' | 'SecretUnreadable';

/** A resource that this version's schema does not take. */
export interface InvalidResource {
  readonly kind: 'HomeServer' | 'CameraClient';
  /** `name` or `namespace/name`. */
  readonly name: string;
  readonly generation: number | undefined;
  /** As they are. */
  readonly conditions: readonly Condition[];
  readonly message: string;
}

/** All of it, at one time. */
export interface World {
  /** Unix milliseconds. */
  readonly nowMs: number;
  /** When this operator began to listen to agents. */
  readonly startedMs: number;
  readonly homeServers: readonly HomeServer[];
  readonly cameraClients: readonly CameraClient[];
  /** Names of servers and cameras that are there and that this version cannot read. */
  readonly unreadable?: ReadonlySet<string>;
  readonly nodes: ReadonlyMap<string, ClusterNode>;
  readonly agents: ReadonlyMap<string, AgentView>;
  /** By `namespace/name`; absent where the credentials are there or not asked for. */
  readonly credentialProblems: ReadonlyMap<string, CredentialProblem>;
  /** Names for which another key asked while the present one is connected: the sentence to show. */
  readonly keysInUse: ReadonlyMap<string, string>;
}

/** Silent for this long, an agent is lost. */
export const agentLostAfterMs = 30_000;
/** After a start nothing is written about an object before its agent reported, or this has passed. */
export const settleMs = 30_000;

/** `namespace/name` of a camera: its client's name. */
export function fullNameOf({ metadata }: Pick<CameraClient, 'metadata'>): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** The agent's report while it counts: connected, or silent for less than 30 seconds. */
export function reportOf(
  { agents, nowMs }: Pick<World, 'agents' | 'nowMs'>,
  name: string,
): Report | undefined {
  const agent = agents.get(name);
  if (agent === undefined || isLost(agent, nowMs)) return undefined;
  return agent.report;
}

/** Whether an agent has been silent for so long that what it said last counts no more. */
export function isLost({ silentSinceMs }: AgentView, nowMs: number): boolean {
  return silentSinceMs !== undefined && nowMs - silentSinceMs >= agentLostAfterMs;
}

/** Whether enough was heard since the start to judge what is missing: every server that was ready has reported, or 30 s passed. */
export function isSettled(world: World): boolean {
  if (world.nowMs - world.startedMs >= settleMs) return true;
  return world.homeServers.every(
    (server) => !wasReady(server) || reportOf(world, server.metadata.name) !== undefined,
  );
}

function wasReady({ status }: HomeServer): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true;
}
