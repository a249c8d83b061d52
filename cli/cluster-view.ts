/** A cluster's home as a page for people: servers best first with why, cameras with where and why, what is to be done. */
import type { CameraClient } from '../crds/camera-client.ts';
import type { HomeServer } from '../crds/home-server.ts';
import type { Condition } from '../crds/metadata.ts';
import { compareCodePoints } from '../protocol/identifiers.ts';
import { count } from './event-lines.ts';
import type { ClusterHome } from './cluster-home.ts';
import { section } from './status-view.ts';

/** The page's lines. */
export function describeClusterHome({ homeServers, cameraClients, invalid }: ClusterHome): readonly string[] {
  const servers = homeServers.toSorted((a, b) => placeOf(a) - placeOf(b) || byName(a, b));
  const cameras = cameraClients.toSorted(byName);
  const parts = [
    homeServers.length === 0 ? ['no HomeServer is there yet'] : [],
    section('SERVERS, best first', servers.map(describeServer)),
    section('CAMERAS', cameras.map(describeCamera)),
    section('TO DO', [...servers, ...cameras].flatMap(describeTrouble)),
    section(
      'UNREADABLE',
      invalid.map(({ kind, name, message }) => [kind, name, message]),
    ),
  ];
  return parts
    .filter((lines) => lines.length > 0)
    .flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]))
    .map((line) => line.trimEnd());
}

function describeServer({ metadata, status = {} }: HomeServer): readonly string[] {
  const { rank, level, features = [], heardBy, selection } = status;
  const able = features.length === 0 ? 'no features' : features.join('+');
  return [
    rank === undefined ? '-' : `${rank}.`,
    metadata.name,
    reasonOf(status.conditions, 'Ready'),
    describeFullness(status),
    level === undefined ? '' : `level ${level} (${able})`,
    heardBy === undefined ? '' : `heard by ${heardBy}`,
    selection?.reason ?? '',
  ];
}

function describeFullness({ clients, max }: NonNullable<HomeServer['status']>): string {
  return clients === undefined ? '' : `${clients} of ${max ?? '?'} clients`;
}

function describeCamera({ metadata, status = {} }: CameraClient): readonly string[] {
  const { server, selection, handovers = 0, framesLost = 0 } = status;
  return [
    `${metadata.namespace}/${metadata.name}`,
    server === undefined ? 'no server' : `→ ${server}`,
    reasonOf(status.conditions, 'Ready'),
    `${count(handovers, 'handover')}, ${count(framesLost, 'frame')} lost${describeLast(status)}`,
    selection?.reason ?? '',
  ];
}

function describeLast({ lastHandover }: NonNullable<CameraClient['status']>): string {
  if (lastHandover === undefined) return '';
  const { from = '?', to = '?', time = '?' } = lastHandover;
  return `, last ${from} → ${to} at ${time}`;
}

/** Every condition that is not as it should be, in its own words; `Drained` is no trouble. */
function describeTrouble({ kind, metadata, status }: HomeServer | CameraClient): readonly string[][] {
  const conditions: readonly Condition[] = status?.conditions ?? [];
  const wrong = conditions.filter(({ type, status: value }) => value === 'False' && type !== 'Drained');
  const own = wrong.filter(({ type }) => type !== 'Placed' && type !== 'SourceReady');
  const shown = own.length > 0 ? own : wrong;
  return shown.map(({ reason, message }) => [`${kind} ${metadata.name}`, reason, message]);
}

function reasonOf(conditions: readonly Condition[] | undefined, type: string): string {
  return conditions?.find((condition) => condition.type === type)?.reason ?? 'Unreported';
}

function placeOf({ status }: HomeServer): number {
  return status?.rank ?? Number.MAX_SAFE_INTEGER;
}

function byName(a: HomeServer | CameraClient, b: HomeServer | CameraClient): number {
  const nameOf = ({ metadata }: HomeServer | CameraClient): string =>
    'namespace' in metadata ? `${metadata.namespace}/${metadata.name}` : metadata.name;
  return compareCodePoints(nameOf(a), nameOf(b));
}
