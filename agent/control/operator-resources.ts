/** What of a snapshot this agent can run: one camera that it cannot takes nothing else away. Pure. */
import type { z } from 'zod';
import { cameraClient, type CameraClient } from '../../crds/camera-client.ts';
import { ConfigError, type ConfigProblem } from '../../crds/config-error.ts';
import { homeServer, type HomeServer } from '../../crds/home-server.ts';
import type { Snapshot } from '../../crds/operator-messages.ts';
import { assignResources } from './assignment.ts';
import { secret, type Secret } from './kubernetes-kinds.ts';
import type { Loaded, Resource } from './resources.ts';

/** A snapshot, read by this version's own schemas: fields that it does not know are left out. */
export interface RunnableResources {
  readonly homeServers: readonly HomeServer[];
  readonly cameraClients: readonly CameraClient[];
  readonly secrets: readonly Secret[];
  /** `namespace/name` of those that this agent runs itself: it is their first bridge. */
  readonly ownCameras: readonly string[];
  /** By camera's `namespace/name`: why it is not among them. */
  readonly problems: ReadonlyMap<string, string>;
  /** Why the server itself cannot be run so; nothing of the snapshot is to be used then. */
  readonly serverProblem?: string;
}

export interface RunningOn {
  /** The agent's. */
  readonly name: string;
  /** It has a folder for `file` sources. */
  readonly hasMedia: boolean;
  /** It has a folder in memory for passwords. */
  readonly hasCredentials: boolean;
  /** Cameras whose certificate is there; the others wait for theirs. */
  readonly isCertified: (camera: string) => boolean;
  /** What runs now: a camera whose new form is wrong goes on with its old one, and with a Secret that has vanished. */
  readonly previous?: RunnableResources | undefined;
}

/** Takes what can be run. */
export function takeRunnable(snapshot: Snapshot, agent: RunningOn): RunnableResources {
  const servers = snapshot.homeServers.map((raw) => homeServer.safeParse(withoutStatus(raw)));
  const homeServers = servers.flatMap(({ data }) => data ?? []);
  const secrets = keepSecrets(snapshot, agent.previous);
  const wrong = servers.find(({ success }) => !success)?.error;
  const serverProblem =
    wrong === undefined
      ? (findMissingServer(homeServers, agent) ??
        findProblem({ homeServers, cameraClients: [], secrets }, agent))
      : describeIssue(wrong);
  const cameras = takeCameras(snapshot.cameraClients, { homeServers, secrets }, agent);
  const ownCameras = cameras.cameraClients.filter((camera) => isOwn(camera, agent)).map(fullNameOf);
  const problem = serverProblem === undefined ? {} : { serverProblem };
  return { homeServers, secrets, ownCameras, ...cameras, ...problem };
}

function findMissingServer(servers: readonly HomeServer[], { name }: RunningOn): string | undefined {
  const isThere = servers.some(({ metadata }) => metadata.name === name);
  return isThere ? undefined : `the operator has no HomeServer that is called ${name}`;
}

/** `namespace/name` of the cameras of a snapshot that is for a bridge, as far as they can be read; suspended ones need no certificate. */
export function camerasIn({ cameraClients }: Snapshot): readonly string[] {
  return cameraClients
    .filter((raw) => !isSuspended(raw))
    .map(nameOfRaw)
    .filter((name) => namePattern.test(name));
}

/** `host:port` of the servers of a snapshot that are named by address, as far as they can be read. */
export function externalAddressesIn({ homeServers }: Snapshot): readonly string[] {
  const servers = homeServers.flatMap((raw) => homeServer.safeParse(withoutStatus(raw)).data ?? []);
  return servers.flatMap(({ spec }) => spec.external?.address ?? []);
}

const namePattern = /^[a-z0-9][a-z0-9.-]*\/[a-z0-9][a-z0-9.-]*$/;

function isSuspended(raw: unknown): boolean {
  const spec: unknown = typeof raw === 'object' && raw !== null ? Reflect.get(raw, 'spec') : undefined;
  return typeof spec === 'object' && spec !== null && Reflect.get(spec, 'suspend') === true;
}

function isOwn({ spec }: CameraClient, { name }: RunningOn): boolean {
  const [first = name] = spec.bridge?.servers ?? [];
  return spec.suspend !== true && spec.source.native === undefined && first === name;
}

/** Those that came, and of those before the ones that cameras still name. */
function keepSecrets(snapshot: Snapshot, previous: RunnableResources | undefined): readonly Secret[] {
  const came = snapshot.secrets.flatMap((raw) => secret.safeParse(raw).data ?? []);
  const keyOf = ({ metadata }: Secret): string => `${metadata.namespace}/${metadata.name}`;
  const present = new Set(came.map(keyOf));
  const named = new Set(snapshot.cameraClients.flatMap((raw) => secretNamedBy(raw) ?? []));
  const kept = previous?.secrets.filter((each) => !present.has(keyOf(each)) && named.has(keyOf(each))) ?? [];
  return [...came, ...kept];
}

function secretNamedBy(raw: unknown): string | undefined {
  const read = cameraClient.safeParse(withoutStatus(raw)).data;
  const name = read?.spec.source.credentialsRef?.name;
  return read === undefined || name === undefined ? undefined : `${read.metadata.namespace}/${name}`;
}

function takeCameras(
  raws: readonly unknown[],
  base: Pick<RunnableResources, 'homeServers' | 'secrets'>,
  agent: RunningOn,
): Pick<RunnableResources, 'cameraClients' | 'problems'> {
  const problems = new Map<string, string>();
  const taken: CameraClient[] = [];
  for (const raw of raws) {
    const { name, camera, problem } = takeCamera(raw, { ...base, cameraClients: taken }, agent);
    if (problem !== undefined) problems.set(name, problem);
    if (camera !== undefined && mayRun(camera, agent)) taken.push(camera);
  }
  return { cameraClients: taken, problems };
}

function takeCamera(
  raw: unknown,
  taken: Taken,
  agent: RunningOn,
): {
  readonly name: string;
  readonly camera: CameraClient | undefined;
  readonly problem: string | undefined;
} {
  const read = cameraClient.safeParse(withoutStatus(raw));
  const name = read.success ? fullNameOf(read.data) : nameOfRaw(raw);
  const problem = read.success ? judgeCamera(read.data, taken, agent) : describeIssue(read.error);
  if (problem === undefined) return { name, camera: read.data, problem };
  const before = agent.previous?.cameraClients.find((each) => fullNameOf(each) === name);
  const isGood = before !== undefined && judgeCamera(before, taken, agent) === undefined;
  return { name, camera: isGood ? before : undefined, problem };
}

function describeIssue({ issues }: Pick<z.ZodError, 'issues'>): string {
  return issues
    .slice(0, 3)
    .map(({ path, message }) => `${path.join('.')}: ${message}`)
    .join('; ');
}

type Taken = Pick<RunnableResources, 'homeServers' | 'cameraClients' | 'secrets'>;

/** Suspended ones are for the server to refuse; one that waits for its certificate is no problem. */
function mayRun(camera: CameraClient, { isCertified }: RunningOn): boolean {
  return (
    camera.spec.suspend === true || camera.spec.source.native !== undefined || isCertified(fullNameOf(camera))
  );
}

function judgeCamera(camera: CameraClient, taken: Taken, agent: RunningOn): string | undefined {
  if (camera.spec.suspend === true) return undefined;
  if (camera.spec.source.file !== undefined && !agent.hasMedia) {
    return 'spec.source.file: this agent has no folder of media files (--media)';
  }
  if (camera.spec.source.credentialsRef !== undefined && !agent.hasCredentials && isOwn(camera, agent)) {
    return 'spec.source.credentialsRef: this agent has no folder in memory for passwords (--credentials-dir)';
  }
  return findProblem({ ...taken, cameraClients: [...taken.cameraClients, camera] }, agent);
}

function findProblem(taken: Taken, { name }: RunningOn): string | undefined {
  const resources = {
    homeServers: taken.homeServers.map(asLoaded),
    cameraClients: taken.cameraClients.map(asLoaded),
    secrets: taken.secrets.map(asLoaded),
    trustBundles: [],
    configMaps: [],
  };
  try {
    assignResources(resources, name);
    return undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const real = error.problems.filter(({ message }) => !message.includes('no HomeServer is called'));
    return real.length === 0 ? undefined : real.map(describeProblem).join('; ');
  }
}

function describeProblem({ field, message }: ConfigProblem): string {
  return field === undefined ? message : `${field}: ${message}`;
}

function asLoaded<R extends Resource>(resource: R): Loaded<R> {
  return { resource, file: 'the operator', document: { line: 1, lineOf: () => 1 } };
}

function fullNameOf({ metadata }: CameraClient): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function nameOfRaw(raw: unknown): string {
  const metadata: unknown =
    typeof raw === 'object' && raw !== null ? Reflect.get(raw, 'metadata') : undefined;
  if (typeof metadata !== 'object' || metadata === null) return '';
  return `${String(Reflect.get(metadata, 'namespace'))}/${String(Reflect.get(metadata, 'name'))}`;
}

function withoutStatus(raw: unknown): unknown {
  if (typeof raw !== 'object' || raw === null) return raw;
  return { ...raw, status: undefined };
}
