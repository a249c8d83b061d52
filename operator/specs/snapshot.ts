/** The resources that concern one agent, as it is sent them: its own server, its cameras with credentials, who is suspended. Pure. */
import type { CameraClient } from '../../crds/camera-client.ts';
import type { HomeServer } from '../../crds/home-server.ts';
import type { Snapshot, TrustTexts } from '../../crds/operator-messages.ts';
import { claimantOf } from '../reconcile/duplicates.ts';
import type { Survey } from '../reconcile/survey.ts';
import { fullNameOf } from '../reconcile/world.ts';

/** What a snapshot is made of beside the survey. */
export interface SnapshotParts {
  readonly trust: TrustTexts;
  /** v1 Secrets by the `namespace/name` of the camera that refers to them. */
  readonly secrets: ReadonlyMap<string, object>;
  /** Resources as the API server has them, by `HomeServer name` and `CameraClient namespace/name`. */
  readonly raw: ReadonlyMap<string, unknown>;
}

/** The snapshot for the server or native client called `name`, without its number. */
export function makeSnapshot(name: string, survey: Survey, parts: SnapshotParts): Omit<Snapshot, 'revision'> {
  const { world, suspended } = survey;
  const bridged = (survey.assigned.get(name) ?? []).filter(({ spec }) => spec.suspend !== true);
  const servers = world.homeServers.filter(
    ({ metadata, spec }) => metadata.name === name || spec.external?.address !== undefined,
  );
  return {
    kind: 'snapshot',
    homeServers: servers.map((server) => bare(server, parts)),
    cameraClients: [...bridged, ...suspended].map((camera) => withBridges(camera, survey, parts)),
    secrets: [...secretsOf(bridged, parts)],
    trust: parts.trust,
    isCordoned: isCordoned(name, survey),
  };
}

/** Names of the cameras whose certificates the agent called `name` may have: those that it is a bridge of. */
export function camerasOf(name: string, { assigned }: Survey): readonly string[] {
  return (assigned.get(name) ?? []).map(fullNameOf);
}

/** Spec and names as they are in the API server: the agent's own schema reads them, newer or older than ours. */
function bare(resource: HomeServer | CameraClient, { raw }: SnapshotParts): Record<string, unknown> {
  const whole: unknown = raw.get(claimantOf(resource)) ?? resource;
  const spec: unknown = typeof whole === 'object' && whole !== null ? Reflect.get(whole, 'spec') : undefined;
  const { name } = resource.metadata;
  const namespace = 'namespace' in resource.metadata ? { namespace: resource.metadata.namespace } : {};
  return { apiVersion: resource.apiVersion, kind: resource.kind, metadata: { name, ...namespace }, spec };
}

/** The bridges that are there, in order, whoever chose them. */
function withBridges(
  camera: CameraClient,
  { bridges }: Survey,
  parts: SnapshotParts,
): Record<string, unknown> {
  const sent = bare(camera, parts);
  const servers = bridges.get(fullNameOf(camera))?.servers ?? [];
  if (servers.length === 0 || typeof sent['spec'] !== 'object') return sent;
  const bridge: unknown = sent['spec'] === null ? undefined : Reflect.get(sent['spec'], 'bridge');
  const known = typeof bridge === 'object' ? bridge : {};
  return { ...sent, spec: { ...sent['spec'], bridge: { ...known, servers } } };
}

function secretsOf(bridged: readonly CameraClient[], { secrets }: SnapshotParts): readonly object[] {
  const found = bridged.flatMap((camera) => secrets.get(fullNameOf(camera)) ?? []);
  return [...new Set(found)];
}

function isCordoned(name: string, { world }: Survey): boolean {
  const server = world.homeServers.find(({ metadata }) => metadata.name === name);
  return server?.spec.drain === 'OnCordon' && world.nodes.get(name)?.isUnschedulable === true;
}
