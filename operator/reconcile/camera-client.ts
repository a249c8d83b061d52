/** What a CameraClient's status should say: where it is, why, what its moves cost. Decides only; pure. */
import type { CameraClient, CameraClientStatus } from '../../crds/camera-client.ts';
import type { CameraReport } from '../../crds/operator-messages.ts';
import { findCameraFault, sightOf, type CameraSight } from './camera-client-ready.ts';
import { cameraClientReasons } from './condition-reasons.ts';
import { stampConditions, verdictsOf, type Verdict } from './conditions.ts';
import { present } from '../../crds/present.ts';
import { serversWith } from './standing.ts';
import type { Survey } from './survey.ts';
import { fullNameOf, reportOf, settleMs, type World } from './world.ts';

const verdict = verdictsOf(cameraClientReasons);
const maxReasonCharacters = 256;

/** The status of one CameraClient; undefined while nothing may be said yet. */
export function decideCameraClient(camera: CameraClient, survey: Survey): CameraClientStatus | undefined {
  const sight = sightOf(camera, survey);
  if (!mayJudge(sight, survey)) return undefined;
  const { generation } = camera.metadata;
  const now = new Date(survey.world.nowMs).toISOString();
  const server = serverOf(camera, sight, survey);
  const verdicts = decideConditions(camera, { sight, server, survey });
  return {
    ...present({
      observedGeneration: generation,
      server,
      bridge: sight.bridge,
      selection: decideSelection(camera, { sight, server, survey }, now),
    }),
    ...decideHandovers(camera, sight),
    conditions: stampConditions(verdicts, camera.status?.conditions, { generation, now }),
  };
}

interface Findings {
  readonly sight: CameraSight;
  readonly server: string | undefined;
  readonly survey: Survey;
}

function mayJudge({ report }: CameraSight, { world, isSettled }: Survey): boolean {
  return report !== undefined || (isSettled && world.nowMs - world.startedMs >= settleMs);
}

/** Where it streams to, as its bridge says; else as the servers say. */
function serverOf(camera: CameraClient, { report }: CameraSight, { served }: Survey): string | undefined {
  if (camera.spec.suspend === true) return undefined;
  return report === undefined ? served.get(fullNameOf(camera))?.server : report.server;
}

function decideConditions(camera: CameraClient, findings: Findings): readonly Verdict[] {
  const { sight, survey } = findings;
  const source = decideSource(camera, sight, survey);
  const placed = decidePlaced(camera, findings);
  const fault = findCameraFault(camera, sight, survey);
  return [decideReady({ camera, fault, source, placed }), source, placed, decideBuffer(sight)];
}

function decideReady(found: {
  readonly camera: CameraClient;
  readonly fault: Verdict | undefined;
  readonly source: Verdict;
  readonly placed: Verdict;
}): Verdict {
  const { camera, fault, source, placed } = found;
  if (camera.spec.suspend === true) return verdict('Ready', 'Suspended');
  if (fault !== undefined) return fault;
  if (camera.spec.source.native !== undefined && placed.status !== 'True')
    return verdict('Ready', 'NeverSeen');
  if (source.status !== 'True') return verdict('Ready', 'SourceNotReady', source.message);
  return placed.status === 'True'
    ? verdict('Ready', 'Streaming')
    : verdict('Ready', 'NotPlaced', placed.message);
}

function decideSource(camera: CameraClient, { bridge, report }: CameraSight, { world }: Survey): Verdict {
  if (camera.spec.suspend === true) return verdict('SourceReady', 'Suspended');
  if (camera.spec.source.native !== undefined) return verdict('SourceReady', 'Native');
  if (report?.source !== undefined) return judgeSource(report.source);
  const isBridgeThere = bridge !== undefined && reportOf(world, bridge) !== undefined;
  return verdict('SourceReady', report !== undefined || isBridgeThere ? 'Starting' : 'Unreported');
}

function judgeSource({ isReady, reason, message }: NonNullable<CameraReport['source']>): Verdict {
  const known =
    isSourceReason(reason) && (cameraClientReasons.SourceReady[reason].status === 'True') === isReady;
  const fallback = isReady ? 'Reading' : 'Failed';
  return verdict('SourceReady', known ? reason : fallback, message === '' ? undefined : message);
}

function decidePlaced(camera: CameraClient, { sight, server, survey }: Findings): Verdict {
  if (camera.spec.suspend === true) return verdict('Placed', 'Suspended');
  if (server !== undefined) return judgePlace(camera, server, survey.world);
  if (sight.report === undefined && !survey.isSettled) return verdict('Placed', 'Unreported');
  return explainNowhere(camera.spec.selection?.requires ?? [], survey.world);
}

/** A server takes a client whose requirements nobody meets: better there than nowhere, but not as it was asked for. */
function judgePlace(camera: CameraClient, server: string, world: World): Verdict {
  const features = reportOf(world, server)?.server?.features;
  const requires = camera.spec.selection?.requires ?? [];
  const missing = features === undefined ? [] : requires.filter((feature) => !features.includes(feature));
  if (missing.length === 0) return verdict('Placed', 'Placed', `It streams to ${server}.`);
  const { todo } = cameraClientReasons.Placed.RequirementsUnmet;
  const message = `It streams to ${server}, which has no ${missing.join(' and no ')}. ${todo}`;
  return verdict('Placed', 'RequirementsUnmet', message);
}

function explainNowhere(requires: readonly string[], world: World): Verdict {
  const able = serversWith(world, requires);
  if (able.length === 0 && requires.length > 0) {
    const { todo } = cameraClientReasons.Placed.RequirementsUnmet;
    return verdict('Placed', 'RequirementsUnmet', `No server announces ${requires.join(' and ')}. ${todo}`);
  }
  const hasRoom = able.some((name) => {
    const server = reportOf(world, name)?.server;
    return server !== undefined && !server.isDraining && server.clients.length < server.max;
  });
  return verdict('Placed', able.length > 0 && !hasRoom ? 'NoRoom' : 'NoServer');
}

function decideBuffer({ report }: CameraSight): Verdict {
  if (report === undefined) return verdict('BufferSufficient', 'Unreported');
  return verdict('BufferSufficient', report.isBufferSufficient ? 'RingHolds' : 'RingShort');
}

function decideSelection(
  camera: CameraClient,
  { server, survey }: Findings,
  now: string,
): CameraClientStatus['selection'] {
  if (server === undefined) return undefined;
  const { status } = camera;
  const before = status?.server === server ? status.selection : undefined;
  const said = survey.served.get(fullNameOf(camera));
  // While the server does not report, what it said last is the best that is known.
  const why = said?.server === server ? withoutCountdowns(said.why) : before?.reason;
  const reason = why ?? `streams to ${server}`;
  return { reason: reason.slice(0, maxReasonCharacters), time: before?.time ?? now };
}

/** `held down, 12 s more, as…` is another text each second: a status says nothing that ticks. */
function withoutCountdowns(why: string): string {
  return why.replaceAll(/, \d+ s more/g, '');
}

/** Counters of the agent's run; what was there before it started anew stays until it has something to say. */
function decideHandovers({ status }: CameraClient, { report }: CameraSight): CameraClientStatus {
  const { media, handovers, framesLost, lastHandover } = { ...status, ...report };
  return present({ media, handovers, framesLost, lastHandover });
}

function isSourceReason(reason: string): reason is keyof typeof cameraClientReasons.SourceReady {
  return Object.hasOwn(cameraClientReasons.SourceReady, reason);
}
