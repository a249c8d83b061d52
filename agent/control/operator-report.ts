/** What an agent tells the operator of itself, out of its status: facts, none that ticks. Pure. */
import type { CameraReport, Report, ServerReport } from '../../crds/operator-messages.ts';
import { formatEndpoint } from '../../protocol/endpoints.ts';
import type { AgentStatus } from '../agent.ts';
import type { HeldCertificate } from './operator-certificates.ts';

/** What is in use of what the operator sent. */
export interface InUse {
  readonly trustRevision: number;
  readonly snapshotRevision: number;
  /** Why the last snapshot is not. */
  readonly problem?: string | undefined;
  /** By camera's `namespace/name`: why it is not run. */
  readonly cameraProblems: ReadonlyMap<string, string>;
  /** The agent's own and its cameras'. */
  readonly certificates: readonly HeldCertificate[];
}

/** What of an agent's status is reported; a native client has no more of it than its one camera. */
export type ReportedStatus = Pick<AgentStatus, 'name' | 'server' | 'cameras' | 'handovers'>;

/** The report; `status` is absent before the agent runs. */
export function makeReport(status: ReportedStatus | undefined, inUse: InUse): Report {
  const { problem, cameraProblems, certificates, ...revisions } = inUse;
  const server = status === undefined ? undefined : reportServer(status, certificates);
  const running = status === undefined ? [] : status.cameras.map((camera) => reportCamera(camera, status));
  const refused = [...cameraProblems].filter(([name]) => running.every((camera) => camera.name !== name));
  return {
    kind: 'report',
    ...revisions,
    ...(problem === undefined ? {} : { problem: problem.slice(0, 1024) }),
    ...(server === undefined ? {} : { server }),
    cameras: [
      ...running.map((camera) => withProblem(camera, cameraProblems.get(camera.name))),
      ...refused.map(([name, why]) => withProblem(notRunning(name), why)),
    ],
    anchorUses: countAnchors(certificates),
  };
}

function notRunning(name: string): CameraReport {
  return { name, handovers: 0, framesLost: 0, isBufferSufficient: true };
}

function withProblem(camera: CameraReport, problem: string | undefined): CameraReport {
  return problem === undefined ? camera : { ...camera, problem: problem.slice(0, 1024) };
}

function countAnchors(certificates: readonly HeldCertificate[]): Record<string, number> {
  const uses: Record<string, number> = {};
  for (const { anchorSha256 } of certificates) {
    if (anchorSha256 !== '') uses[anchorSha256] = (uses[anchorSha256] ?? 0) + 1;
  }
  return uses;
}

function reportServer(
  { server, name }: ReportedStatus,
  certificates: readonly HeldCertificate[],
): ServerReport | undefined {
  if (server === undefined) return undefined;
  const [endpoint] = server.endpoints;
  const certificate = certificates.find((each) => each.name === name);
  return {
    identifier: server.id,
    ...(endpoint === undefined ? {} : { address: formatEndpoint(endpoint) }),
    features: [...server.features],
    missingFeatures: [...server.missingFeatures],
    level: server.level,
    max: server.max,
    isDraining: server.isDraining,
    hears: server.peers.filter(({ isConfirmed }) => isConfirmed).map((peer) => peer.name),
    ranking: server.ranking.map(({ name: ranked, why }) => ({ name: ranked, why })),
    clients: server.clients.map(({ name: client, isStreaming, why }) => ({
      name: client,
      isStreaming,
      why: withoutCountdowns(why).slice(0, 512),
    })),
    ...(certificate === undefined ? {} : { certificate: certificateOf(certificate) }),
  };
}

function certificateOf({ notAfterMs, anchorSha256 }: HeldCertificate) {
  return { notAfter: new Date(notAfterMs).toISOString(), anchorSha256 };
}

function reportCamera(camera: AgentStatus['cameras'][number], { handovers }: ReportedStatus): CameraReport {
  const { name, server, source, framesLost } = camera;
  const last = handovers.findLast(({ client }) => client === name);
  return {
    name,
    ...(server === undefined ? {} : { server: server.name }),
    media: 'video/mp2t',
    handovers: camera.handovers,
    framesLost,
    ...(last === undefined ? {} : { lastHandover: lastHandoverOf(last) }),
    ...(source === undefined
      ? {}
      : { source: { isReady: source.ready, reason: source.reason, message: source.message } }),
    isBufferSufficient: camera.bytesExposed === 0,
  };
}

function lastHandoverOf(last: AgentStatus['handovers'][number]): NonNullable<CameraReport['lastHandover']> {
  const { from, to, reason, time, milliseconds, framesLost, framesRepeated } = last;
  return { from, to, reason, time, milliseconds: Math.round(milliseconds), framesLost, framesRepeated };
}

/** `held down, 12 s more, as…` would be another report each second. */
function withoutCountdowns(why: string): string {
  return why.replaceAll(/, \d+ s more/g, '');
}
