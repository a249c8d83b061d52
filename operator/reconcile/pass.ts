/** One look at the whole home: every status as it should be, every move, and when to look again. Pure. */
import type { CameraClientStatus } from '../../crds/camera-client.ts';
import type { HomeServerStatus } from '../../crds/home-server.ts';
import { decideCameraClient } from './camera-client.ts';
import { decideHomeServer } from './home-server.ts';
import { cameraClientReasons, homeServerReasons } from './condition-reasons.ts';
import { stampConditions, verdictsOf } from './conditions.ts';
import { findMove, serverEvents, type EventNote, type Move } from './events.ts';
import { hearingDueMs, updateHearing, type Hearing } from './hearing.ts';
import { surveyWorld, type Survey } from './survey.ts';
import { agentLostAfterMs, fullNameOf, settleMs, type InvalidResource, type World } from './world.ts';

/** What one object's status should be. */
export interface StatusDecision {
  readonly kind: 'HomeServer' | 'CameraClient';
  /** `name` or `namespace/name`. */
  readonly key: string;
  readonly status: HomeServerStatus | CameraClientStatus;
}

export interface Pass {
  readonly survey: Survey;
  readonly hearing: Hearing;
  readonly statuses: readonly StatusDecision[];
  /** Told by the statuses above; to be told to people when those are written. */
  readonly moves: readonly Move[];
  readonly events: readonly EventNote[];
  /** When time alone will change something. */
  readonly dueMs?: number;
}

/** Decides everything, from what is known and what the last pass remembered of hearing. */
export function decidePass(world: World, before: Hearing, invalid: readonly InvalidResource[] = []): Pass {
  const hearing = updateHearing(before, world);
  const survey = surveyWorld(world, hearing);
  const [statuses, moves, events]: [StatusDecision[], Move[], EventNote[]] = [[], [], []];
  for (const server of world.homeServers) {
    const status = decideHomeServer(server, survey);
    if (status === undefined) continue;
    statuses.push({ kind: 'HomeServer', key: server.metadata.name, status });
    events.push(...serverEvents(server, status));
  }
  for (const camera of world.cameraClients) {
    const status = decideCameraClient(camera, survey);
    if (status === undefined) continue;
    statuses.push({ kind: 'CameraClient', key: fullNameOf(camera), status });
    const move = findMove(camera, status);
    if (move !== undefined) moves.push(move);
  }
  statuses.push(...invalid.map((resource) => decideInvalid(resource, world)));
  const dueMs = findDue(world, hearing);
  return { survey, hearing, statuses, moves, events, ...(dueMs === undefined ? {} : { dueMs }) };
}

function decideInvalid(
  { kind, name, message, generation, conditions }: InvalidResource,
  world: World,
): StatusDecision {
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
