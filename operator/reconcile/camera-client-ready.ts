/** Whether a camera's resource, Secret and bridge let it stream: what is wrong first. Pure. */
import type { CameraClient } from '../../crds/camera-client.ts';
import type { CameraReport } from '../../crds/operator-messages.ts';
import { cameraClientReasons } from './condition-reasons.ts';
import { verdictsOf, type Verdict } from './conditions.ts';
import { claimantOf } from './duplicates.ts';
import type { Survey } from './survey.ts';
import { fullNameOf, isLost, reportOf } from './world.ts';

const verdict = verdictsOf(cameraClientReasons);

/** Who reports a camera and what. */
export interface CameraSight {
  /** The agent that holds the camera's session, or should. Absent: a native client, or nobody can. */
  readonly bridge?: string;
  /** From that bridge, or from the native client itself. */
  readonly report?: CameraReport;
}

/** The first of its bridges that reports it; else the first. */
export function sightOf(camera: CameraClient, { world, bridges }: Survey): CameraSight {
  const name = fullNameOf(camera);
  const isNative = camera.spec.source.native !== undefined;
  const reporters = isNative ? [name] : (bridges.get(name)?.servers ?? []);
  for (const reporter of reporters) {
    const report = reportOf(world, reporter)?.cameras.find((each) => each.name === name);
    if (report !== undefined) return isNative ? { report } : { bridge: reporter, report };
  }
  const [first] = reporters;
  return isNative || first === undefined ? {} : { bridge: first };
}

/** What keeps the camera from streaming in resource, Secret and bridge; undefined where nothing does. */
export function findCameraFault(
  camera: CameraClient,
  sight: CameraSight,
  survey: Survey,
): Verdict | undefined {
  return (
    judgeClaims(camera, survey) ??
    judgeBridges(camera, sight, survey) ??
    judgeCredentials(camera, survey) ??
    judgeProblem(sight)
  );
}

function judgeClaims(camera: CameraClient, { duplicates, world }: Survey): Verdict | undefined {
  const duplicate = duplicates.get(claimantOf(camera));
  const inUse = world.keysInUse.get(fullNameOf(camera));
  if (inUse !== undefined) return verdict('Ready', 'KeyInUse', inUse);
  if (duplicate === undefined) return undefined;
  const { reason, owner } = duplicate;
  return verdict('Ready', reason, `${owner} is older and has it. ${cameraClientReasons.Ready[reason].todo}`);
}

function judgeBridges(
  camera: CameraClient,
  { bridge, report }: CameraSight,
  survey: Survey,
): Verdict | undefined {
  const { world, bridges } = survey;
  if (camera.spec.source.native !== undefined) return undefined;
  const unknown = bridges.get(fullNameOf(camera))?.unknown ?? [];
  if (bridge === undefined) {
    if (unknown.length === 0) return verdict('Ready', 'NoBridge');
    const servers = world.homeServers.map(({ metadata }) => metadata.name);
    const there = servers.length === 0 ? 'there is none yet' : `there are ${servers.slice(0, 10).join(', ')}`;
    return verdict('Ready', 'BridgeNotFound', `No HomeServer is called ${unknown.join(' or ')}: ${there}.`);
  }
  const agent = world.agents.get(bridge);
  if (report !== undefined || (agent !== undefined && !isLost(agent, world.nowMs))) return undefined;
  const { todo } = cameraClientReasons.Ready.BridgeLost;
  return verdict('Ready', 'BridgeLost', `The agent ${bridge}, its bridge, is silent. ${todo}`);
}

function judgeCredentials(camera: CameraClient, { world }: Survey): Verdict | undefined {
  const reason = world.credentialProblems.get(fullNameOf(camera));
  if (reason === undefined) return undefined;
  const { means, todo } = cameraClientReasons.Ready[reason];
  const secret = `${camera.metadata.namespace}/${camera.spec.source.credentialsRef?.name ?? ''}`;
  return verdict('Ready', reason, `Secret ${secret}: ${means} ${todo}`);
}

function judgeProblem({ bridge, report }: CameraSight): Verdict | undefined {
  if (report?.problem === undefined) return undefined;
  return verdict('Ready', 'BridgeRefused', `${bridge ?? 'The client'} says: ${report.problem}`);
}
