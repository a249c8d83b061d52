/** Who would get which client, by the rules alone: out of resource files, or of facts that a cluster has. Pure. */
import type { Resources } from '../agent/control/resources.ts';
import { featuresOf } from '../agent/control/settings.ts';
import type { CameraClient } from '../crds/camera-client.ts';
import type { HomeServer } from '../crds/home-server.ts';
import { compareCodePoints } from '../protocol/identifiers.ts';
import {
  type Preferences,
  type RankedServer,
  compareServers,
  explainRank,
  hasRequired,
  levelOf,
  noPreferences,
} from '../protocol/ranking.ts';

export interface RankedFile extends RankedServer {
  readonly name: string;
  /** It is known which identifier its certificate has. */
  readonly hasIdentifier: boolean;
  readonly isDrained: boolean;
}

export interface PlannedServer {
  readonly name: string;
  readonly features: readonly string[];
  readonly level: number;
  readonly max: number;
  readonly isDrained: boolean;
  /** Clients that it would get. */
  readonly clients: number;
  /** Why it stands before the next one, for a client without wishes. */
  readonly why: string;
}

export interface PlannedClient {
  readonly name: string;
  /** Absent where nobody would take it. */
  readonly server?: string;
  readonly why: string;
  /** Servers that only identifiers, or the time of their start, tell apart; the server is one of them. */
  readonly tiedWith: readonly string[];
  readonly isSuspended: boolean;
}

export interface RankPlan {
  readonly servers: readonly PlannedServer[];
  readonly clients: readonly PlannedClient[];
}

/**
 * All servers up, healthy and linked with each other, nobody held down, all clients there: what the rules come to. Where
 * places are few, first come first served decides; here it is the order of names.
 */
export function planRank(resources: Resources): RankPlan {
  return planPlaces(
    resources.homeServers.map(({ resource }) => readServer(resource)),
    resources.cameraClients.map(({ resource }) => resource),
  );
}

/** The same for servers whose facts are known. */
export function planPlaces(facts: readonly RankedFile[], cameras: readonly CameraClient[]): RankPlan {
  const servers = facts.toSorted(compareForPlan(noPreferences));
  const taken = new Map<string, number>();
  const clients = cameras
    .toSorted((a, b) => compareCodePoints(fullName(a), fullName(b)))
    .map((client) => placeClient(client, servers, taken));
  return {
    servers: servers.map((server, index) => describeServer(server, servers[index + 1], taken)),
    clients,
  };
}

function readServer(resource: HomeServer): RankedFile {
  const { metadata, spec } = resource;
  const { identifier } = spec;
  return {
    id: `hcsp:${identifier ?? metadata.name}`,
    name: metadata.name,
    hasIdentifier: identifier !== undefined,
    features: featuresOf(resource),
    max: spec.max,
    // Files cannot know when it started.
    boot: 0,
    isDrained: spec.drain === 'Now' || spec.max === 0,
  };
}

function describeServer(
  server: RankedFile,
  next: RankedFile | undefined,
  taken: ReadonlyMap<string, number>,
): PlannedServer {
  const { name, features, max, isDrained } = server;
  const before =
    next === undefined ? 'last' : `before ${next.name}: ${explainPair(server, next, noPreferences)}`;
  return {
    name,
    features,
    level: levelOf(features, {}),
    max,
    isDrained,
    clients: taken.get(name) ?? 0,
    why: isDrained ? 'drained: takes nobody' : before,
  };
}

function placeClient(
  { metadata, spec }: CameraClient,
  servers: readonly RankedFile[],
  taken: Map<string, number>,
): PlannedClient {
  const name = fullName({ metadata });
  if (spec.suspend === true) {
    return { name, why: 'suspended: no server takes it', tiedWith: [], isSuspended: true };
  }
  const wishes: Preferences = { ...noPreferences, ...spec.selection };
  const able = servers
    .filter(({ features, isDrained }) => !isDrained && hasRequired(features, wishes.requires))
    .toSorted(compareForPlan(wishes));
  const [best] = able.filter((server) => hasPlace(server, taken));
  if (best === undefined) {
    return { name, why: explainNobody(servers, able, wishes), tiedWith: [], isSuspended: false };
  }
  taken.set(best.name, (taken.get(best.name) ?? 0) + 1);
  const tied = able.filter((other) => other !== best && isTie(best, other, wishes) && hasPlace(other, taken));
  const isNative = spec.source.native !== undefined;
  return {
    name,
    server: best.name,
    why: `${explainBest(best, able, wishes)}${isNative ? '; as far as is known here: a native client says its own wishes' : ''}`,
    tiedWith: tied.map((other) => other.name),
    isSuspended: false,
  };
}

function hasPlace({ name, max }: RankedFile, taken: ReadonlyMap<string, number>): boolean {
  return (taken.get(name) ?? 0) < max;
}

/** Why the best with a place is the best, and who would be better and is full. */
function explainBest(best: RankedFile, able: readonly RankedFile[], wishes: Preferences): string {
  const index = able.indexOf(best);
  const full = able.slice(0, index).map(({ name }) => `${name} would be better, but is full`);
  const next = able[index + 1];
  const before =
    next === undefined
      ? 'no other server is able to take it'
      : `before ${next.name}: ${explainPair(best, next, wishes)}`;
  return [...full, full.length > 0 && next === undefined ? '' : before]
    .filter((text) => text !== '')
    .join('; ');
}

function explainNobody(
  servers: readonly RankedFile[],
  able: readonly RankedFile[],
  { requires }: Preferences,
): string {
  if (servers.length === 0) return 'there is no HomeServer';
  const reasons = servers.map((server) => {
    if (server.isDrained) return `${server.name} is drained`;
    if (able.includes(server)) return `${server.name} is full`;
    const missing = requires.filter((feature) => !server.features.includes(feature));
    return `${server.name} has no ${missing.join(', ')}`;
  });
  return `nobody takes it: ${reasons.join('; ')}`;
}

/** Equal but for identifiers that the files do not say: then in the order of names, so that the plan is always the same. */
function compareForPlan(wishes: Preferences): (a: RankedFile, b: RankedFile) => number {
  return (a, b) => {
    if (wishes.mode === 'AnyValid') return compareCodePoints(a.name, b.name);
    const isKnown = a.hasIdentifier && b.hasIdentifier;
    return isTie(a, b, wishes) && !isKnown
      ? compareCodePoints(a.name, b.name)
      : compareServers(a, b, wishes.weights);
  };
}

function isTie(a: RankedFile, b: RankedFile, { mode, weights }: Preferences): boolean {
  return (
    mode === 'AnyValid' || (a.max === b.max && levelOf(a.features, weights) === levelOf(b.features, weights))
  );
}

function explainPair(a: RankedFile, b: RankedFile, wishes: Preferences): string {
  if (wishes.mode === 'AnyValid') return 'a tie here: whoever started last takes it (mode AnyValid)';
  if (!isTie(a, b, wishes) || (a.hasIdentifier && b.hasIdentifier)) return explainRank(a, b, wishes);
  return `a tie: same level ${levelOf(a.features, wishes.weights)} and max ${a.max}, and nothing here says whose identifier is first`;
}

function fullName({ metadata }: Pick<CameraClient, 'metadata'>): string {
  return `${metadata.namespace}/${metadata.name}`;
}
