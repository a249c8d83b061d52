/** A home as the operator sees it, in a few words: servers with what their agents report, cameras, nodes, a clock. */
import { cameraClient, type CameraClient } from '../../crds/camera-client.ts';
import { homeServer, type HomeServer } from '../../crds/home-server.ts';
import type { CameraReport, Report, ServerReport } from '../../crds/operator-messages.ts';
import { decidePass, type Pass } from '../../operator/reconcile/pass.ts';
import type { Hearing } from '../../operator/reconcile/hearing.ts';
import type { AgentView, ClusterNode, World } from '../../operator/reconcile/world.ts';

/** When everything here happens. */
export const noonMs = Date.parse('2026-07-01T12:00:00.000Z');

/** A HomeServer as the API server would have it. */
export function serverNamed(name: string, spec: object = {}, metadata: object = {}): HomeServer {
  return homeServer.parse({
    apiVersion: 'homing.dev/v1alpha1',
    kind: 'HomeServer',
    metadata: { name, generation: 1, creationTimestamp: '2026-01-01T00:00:00Z', ...metadata },
    spec,
  });
}

/** A CameraClient in the namespace `cams`; a test camera where `spec` has no source. */
export function cameraNamed(name: string, spec: object = {}, metadata: object = {}): CameraClient {
  return cameraClient.parse({
    apiVersion: 'homing.dev/v1alpha1',
    kind: 'CameraClient',
    metadata: {
      name,
      namespace: 'cams',
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...metadata,
    },
    spec: { source: { test: {} }, ...spec },
  });
}

/** What the agent of a healthy server reports of it. */
export function serverReport(name: string, facts: Partial<ServerReport> = {}): ServerReport {
  return {
    identifier: `hcsp:${name.padEnd(22, 'A')}`,
    address: '192.168.1.9:17320',
    features: ['record'],
    missingFeatures: [],
    level: facts.features?.length ?? 1,
    max: 16,
    isDraining: false,
    hears: [],
    ranking: [],
    clients: [],
    certificate: { notAfter: '2026-08-01T00:00:00Z', anchorSha256: 'a'.repeat(64) },
    ...facts,
  };
}

/** What a bridge reports of a camera that streams. */
export function cameraReport(name: string, facts: Partial<CameraReport> = {}): CameraReport {
  return {
    name: `cams/${name}`,
    media: 'video/mp2t',
    handovers: 0,
    framesLost: 0,
    source: { isReady: true, reason: 'Playing', message: 'plays' },
    isBufferSufficient: true,
    ...facts,
  };
}

/** An agent that is connected and has said this. */
export function agentNamed(
  name: string,
  said: Partial<Report> = {},
  view: Partial<AgentView> = {},
): AgentView {
  const report: Report = {
    kind: 'report',
    trustRevision: 1,
    snapshotRevision: 1,
    cameras: [],
    anchorUses: {},
    server: serverReport(name),
    ...said,
  };
  return { name, version: '0.1.0', report, ...view };
}

/** Parts of a world; the rest is empty, and the operator has been there for an hour. */
export interface WorldParts extends Partial<Omit<World, 'agents' | 'nodes'>> {
  readonly agents?: readonly AgentView[];
  /** By default one for each HomeServer that is not external. */
  readonly nodes?: readonly Partial<ClusterNode>[];
}

/** A world out of its parts. */
export function worldOf({ agents = [], nodes, ...parts }: WorldParts = {}): World {
  const { homeServers = [] } = parts;
  const own = homeServers.flatMap(({ metadata: { name }, spec }) =>
    spec.external === undefined ? { name } : [],
  );
  return {
    nowMs: noonMs,
    startedMs: noonMs - 3_600_000,
    homeServers,
    cameraClients: [],
    credentialProblems: new Map(),
    keysInUse: new Map(),
    ...parts,
    agents: new Map(agents.map((agent) => [agent.name, agent])),
    nodes: new Map(
      (nodes ?? own).map((node) => {
        const whole = { name: '', uid: 'u', isReady: true, isUnschedulable: false, ...node };
        return [whole.name, whole];
      }),
    ),
  };
}

/** The home after the statuses of a pass were written. */
export function afterPass(world: World, pass: Pass): World {
  const written = new Map(pass.statuses.map(({ kind, key, status }) => [`${kind} ${key}`, status]));
  return {
    ...world,
    homeServers: world.homeServers.map((server) => {
      const status = written.get(`HomeServer ${server.metadata.name}`);
      return status === undefined ? server : homeServer.parse({ ...server, status });
    }),
    cameraClients: world.cameraClients.map((camera) => {
      const { namespace, name } = camera.metadata;
      const status = written.get(`CameraClient ${namespace}/${name}`);
      return status === undefined ? camera : cameraClient.parse({ ...camera, status });
    }),
  };
}

/** The condition of one object that a pass decided. */
export function conditionOf(pass: Pass, key: string, type: string) {
  const decided = pass.statuses.find((each) => each.key === key);
  return decided?.status.conditions?.find((condition) => condition.type === type);
}

/** One pass over a world, with nothing remembered. */
export function passOver(parts: WorldParts, hearing: Hearing = new Map()): Pass {
  return decidePass(worldOf(parts), hearing);
}

/** What a pass would tell people once its statuses are written. */
export function toldBy({ statuses }: Pass) {
  return {
    moves: statuses.flatMap(({ move }) => move ?? []),
    events: statuses.flatMap(({ events = [] }) => events),
  };
}
