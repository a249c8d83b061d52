/** One look at the whole home: every status as it should be, every move, and when to look again. Pure. */
import type { CameraClient, CameraClientStatus } from '../../crds/camera-client.ts';
import type { HomeServer, HomeServerStatus } from '../../crds/home-server.ts';
import type { TrustBundleStatus } from '../../crds/trust-bundle.ts';
import { decideCameraClient } from './camera-client.ts';
import { decideHomeServer } from './home-server.ts';
import { cameraClientReasons, homeServerReasons } from './condition-reasons.ts';
import { stampConditions, verdictsOf } from './conditions.ts';
import { findMove, serverEvents, type EventNote, type Move } from './events.ts';
import { hearingDueMs, updateHearing, type Hearing } from './hearing.ts';
import { surveyWorld, type Survey } from './survey.ts';
import { agentLostAfterMs, fullNameOf, settleMs, type InvalidResource, type World } from './world.ts';

/** What the status of a server or camera should be. */
export interface HomeDecision {
  readonly kind: 'HomeServer' | 'CameraClient';
  /** `name` or `namespace/name`. */
  readonly key: string;
  readonly status: HomeServerStatus | CameraClientStatus;
  /** What this status tells that people should hear of, once it is written: else it would be told again. */
  readonly move?: Move;
  readonly events?: readonly EventNote[];
}

/** What the status of a TrustBundle should be. */
export interface BundleDecision {
  readonly kind: 'TrustBundle';
  readonly key: string;
  readonly status: TrustBundleStatus;
}

/** What one object's status should be. */
export type StatusDecision = HomeDecision | BundleDecision;

export interface Pass {
  readonly survey: Survey;
  readonly hearing: Hearing;
  readonly statuses: readonly HomeDecision[];
  /** When time alone will change something. */
  readonly dueMs?: number;
}

/** Decides everything, from what is known and what the last pass remembered of hearing. */
export function decidePass(world: World, before: Hearing, invalid: readonly InvalidResource[] = []): Pass {
  const hearing = updateHearing(before, world);
  const survey = surveyWorld(world, hearing);
  const statuses = [
    ...world.homeServers.flatMap((server) => decideServer(server, survey)),
    ...world.cameraClients.flatMap((camera) => decideCamera(camera, survey)),
    ...invalid.map((resource) => decideInvalid(resource, world)),
  ];
  const dueMs = findDue(world, hearing);
  return { survey, hearing, statuses, ...(dueMs === undefined ? {} : { dueMs }) };
}

function decideServer(server: HomeServer, survey: Survey): readonly HomeDecision[] {
  const status = decideHomeServer(server, survey);
  if (status === undefined) return [];
  return [{ kind: 'HomeServer', key: server.metadata.name, status, events: serverEvents(server, status) }];
}

function decideCamera(camera: CameraClient, survey: Survey): readonly HomeDecision[] {
  const status = decideCameraClient(camera, survey);
  if (status === undefined) return [];
  const move = findMove(camera, status);
  return [{ kind: 'CameraClient', key: fullNameOf(camera), status, ...(move === undefined ? {} : { move }) }];
}

function decideInvalid(
  { kind, name, message, generation, conditions }: InvalidResource,
  world: World,
): HomeDecision {
  const verdict =
    kind === 'HomeServer'
      ? verdictsOf(homeServerReasons)('Ready', 'Invalid', message)
      : verdictsOf(cameraClientReasons)('Ready', 'Invalid', message);
  const now = new Date(world.nowMs).toISOString();
  const status = { conditions: stampConditions([verdict], conditions, { generation, now }) };
  return { kind, key: name, status };
}

function findDue(world: World, hearing: Hearing): number | undefined {
  const silences = [...world.agents.values()].flatMap(({ silentSinceMs }) =>
    silentSinceMs === undefined ? [] : [silentSinceMs + agentLostAfterMs],
  );
  const times = [world.startedMs + settleMs, ...silences, hearingDueMs(hearing) ?? 0];
  const coming = times.filter((time) => time > world.nowMs);
  return coming.length === 0 ? undefined : Math.min(...coming);
}
