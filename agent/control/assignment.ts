/** What of the resources concerns one agent: its server, the cameras it is a bridge of, and their credentials. */
import type { CameraClient, SourceKind } from '../../crds/camera-client.ts';
import { sourceKinds } from '../../crds/camera-client.ts';
import type { HomeServer } from '../../crds/home-server.ts';
import { quote } from '../../protocol/result.ts';
import { ConfigError, type ConfigProblem } from '../../crds/config-error.ts';
import { readCredentials, type Credentials } from './credentials.ts';
import { findNearest } from './nearest-name.ts';
import { problemAt, type Loaded, type Resources } from './resources.ts';

/** A camera that this agent is the bridge of. */
export interface BridgedCamera {
  /** `namespace/name`, as its certificate must say. */
  readonly name: string;
  /** Its certificate's file name without `.crt`: the last part of the name. */
  readonly certificateName: string;
  readonly spec: CameraClient['spec'];
  readonly sourceKind: SourceKind;
  readonly credentials?: Credentials;
}

export interface Assignment {
  /** Absent: this agent is client only. @see [0101] */
  readonly server?: HomeServer;
  /** Not the suspended ones. */
  readonly cameras: readonly BridgedCamera[];
  /** `namespace/name` of every client that a server here must refuse (`bye suspended`). */
  readonly suspendedClients: ReadonlySet<string>;
  /** `host:port` of servers that the files name by address. */
  readonly externalAddresses: readonly string[];
}

/** The kinds of source that an agent can open. */
const openableKinds: readonly SourceKind[] = ['rtsp', 'http', 'file', 'test'];

/**
 * Decides from all resources what the agent called `name` does: its HomeServer, and the cameras whose first bridge it is
 * (those without a bridge belong to the only HomeServer there is).
 *
 * @throws ConfigError with every problem, each at its file and line
 */
export function assignResources(resources: Resources, name: string): Assignment {
  const problems: ConfigProblem[] = [];
  const loadedServer = resources.homeServers.find(({ resource }) => resource.metadata.name === name);
  const server = loadedServer?.resource;
  if (loadedServer !== undefined) problems.push(...findSinkProblems(loadedServer));
  const bridged = resources.cameraClients.filter((loaded) => {
    const bridge = findBridge(loaded, resources);
    if (typeof bridge !== 'string') problems.push(bridge);
    return bridge === name && loaded.resource.spec.source.native === undefined;
  });
  const cameras = bridged.flatMap((loaded) => {
    const read = readCamera(loaded, bridged, resources);
    problems.push(...read.problems);
    return read.camera;
  });
  if (problems.length === 0 && server === undefined && bridged.length === 0) {
    problems.push(describeIdleAgent(resources, name));
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    ...(server === undefined ? {} : { server }),
    cameras,
    suspendedClients: new Set(resources.cameraClients.filter(isSuspended).map(fullName)),
    externalAddresses: listExternalAddresses(resources, name),
  };
}

function findSinkProblems(loaded: Loaded<HomeServer>): readonly ConfigProblem[] {
  return loaded.resource.spec.sinks.flatMap((sink, index) => {
    const kind = sink.live === undefined ? 'exec' : 'live';
    if (sink.record !== undefined) return [];
    return [problemAt(loaded, ['spec', 'sinks', index, kind], 'this version cannot open it: must be record')];
  });
}

type LoadedCamera = Loaded<CameraClient>;

function fullName({ resource }: LoadedCamera): string {
  return `${resource.metadata.namespace}/${resource.metadata.name}`;
}

function isSuspended({ resource }: LoadedCamera): boolean {
  return resource.spec.suspend === true;
}

/** The agent that holds the camera's session, as far as files say. */
function findBridge(loaded: LoadedCamera, resources: Resources): string | ConfigProblem {
  const { bridge, source } = loaded.resource.spec;
  const [first] = bridge?.servers ?? [];
  if (first !== undefined) return first;
  // A native client is its own bridge.
  if (source.native !== undefined) return '';
  const [only, second] = resources.homeServers;
  if (only !== undefined && second === undefined) return only.resource.metadata.name;
  const count =
    resources.homeServers.length === 0 ? 'no HomeServer' : `${resources.homeServers.length} HomeServers`;
  return problemAt(
    loaded,
    ['spec', 'bridge', 'servers'],
    `missing: with ${count} in the files it must name the agent that opens the camera, like bridge: {servers: [NAME]}`,
  );
}

function findCameraProblems(
  loaded: LoadedCamera,
  bridged: readonly LoadedCamera[],
): readonly ConfigProblem[] {
  const { metadata, spec } = loaded.resource;
  const problems: ConfigProblem[] = [];
  const kind = kindOf(loaded);
  if (!openableKinds.includes(kind)) {
    const right = `must be one of ${openableKinds.join(', ')}`;
    problems.push(problemAt(loaded, ['spec', 'source', kind], `this version cannot open it: ${right}`));
  }
  if (kind !== 'file' && spec.source.media !== 'video/mp2t') {
    const message = `found ${quote(spec.source.media)}: must be video/mp2t with ${kind}`;
    problems.push(problemAt(loaded, ['spec', 'source', 'media'], message));
  }
  if (spec.source.rtsp?.transport === 'UDP') {
    problems.push(
      problemAt(loaded, ['spec', 'source', 'rtsp', 'transport'], 'found "UDP": this version takes TCP only'),
    );
  }
  if ((spec.streams ?? []).length > 0) {
    problems.push(
      problemAt(loaded, ['spec', 'streams'], 'this version opens the source itself only: must be left out'),
    );
  }
  const namesake = bridged.find(
    (other) => other !== loaded && other.resource.metadata.name === metadata.name,
  );
  if (namesake !== undefined) {
    const other = `${fullName(namesake)} at ${namesake.file}:${namesake.document.line}`;
    problems.push(
      problemAt(
        loaded,
        ['metadata', 'name'],
        `${other} would use the same certificate file: must have another name`,
      ),
    );
  }
  return problems;
}

function kindOf({ resource }: LoadedCamera): SourceKind {
  const { source } = resource.spec;
  return sourceKinds.find((kind) => source[kind] !== undefined) ?? 'native';
}

function readCamera(
  loaded: LoadedCamera,
  bridged: readonly LoadedCamera[],
  resources: Resources,
): { readonly camera: readonly BridgedCamera[]; readonly problems: readonly ConfigProblem[] } {
  const wrong = findCameraProblems(loaded, bridged);
  const credentials = readCredentials(loaded, resources.secrets);
  if (credentials !== undefined && 'message' in credentials)
    return { camera: [], problems: [...wrong, credentials] };
  if (isSuspended(loaded)) return { camera: [], problems: wrong };
  const camera: BridgedCamera = {
    name: fullName(loaded),
    certificateName: loaded.resource.metadata.name,
    spec: loaded.resource.spec,
    sourceKind: kindOf(loaded),
    ...(credentials === undefined ? {} : { credentials }),
  };
  return { camera: [camera], problems: wrong };
}

function listExternalAddresses(resources: Resources, name: string): readonly string[] {
  return resources.homeServers.flatMap(({ resource }) => {
    const address = resource.spec.external?.address;
    return address === undefined || resource.metadata.name === name ? [] : [address];
  });
}

function describeIdleAgent(resources: Resources, name: string): ConfigProblem {
  const servers = resources.homeServers.map(({ resource }) => resource.metadata.name);
  const bridges = resources.cameraClients.flatMap(({ resource }) => resource.spec.bridge?.servers?.[0] ?? []);
  const names = [...new Set([...servers, ...bridges])];
  const nearest = findNearest(name, names);
  const known = names.length === 0 ? 'they name nobody' : `they name ${names.join(', ')}`;
  const advice = nearest === undefined ? known : `did you mean ${nearest}?`;
  return {
    message: `no HomeServer is called ${quote(name)} in the resources, and no camera has it as its bridge: ${advice}`,
  };
}
