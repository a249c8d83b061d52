/** The home as a cluster's API server has it, out of lists of our kinds. Pure. */
import type { CameraClient } from '../crds/camera-client.ts';
import type { HomeServer } from '../crds/home-server.ts';
import { isInvalid, readCameraClient, readHomeServer } from '../operator/reconcile/resource-reading.ts';
import type { InvalidResource } from '../operator/reconcile/world.ts';
import { planPlaces, type RankedFile, type RankPlan } from './rank-plan.ts';

/** What `homing status` and `homing rank` show of a cluster. */
export interface ClusterHome {
  readonly homeServers: readonly HomeServer[];
  readonly cameraClients: readonly CameraClient[];
  /** Resources that this version cannot read. */
  readonly invalid: readonly InvalidResource[];
}

/** Reads the objects of two lists. */
export function readClusterHome(lists: {
  readonly homeServers: readonly unknown[];
  readonly cameraClients: readonly unknown[];
}): ClusterHome {
  const servers = lists.homeServers.map(readHomeServer);
  const cameras = lists.cameraClients.map(readCameraClient);
  return {
    homeServers: servers.flatMap((read) => (isInvalid(read) ? [] : read)),
    cameraClients: cameras.flatMap((read) => (isInvalid(read) ? [] : read)),
    invalid: [...servers, ...cameras].flatMap((read) => (isInvalid(read) ? read : [])),
  };
}

/** Who would get which client by the rules, from what servers announce now; those that are not ready take nobody. */
export function planClusterRank({ homeServers, cameraClients }: ClusterHome): RankPlan {
  return planPlaces(homeServers.map(rankedByStatus), cameraClients);
}

function rankedByStatus({ metadata, status = {} }: HomeServer): RankedFile {
  const { identifier = metadata.name, features = [], max = 0, rank } = status;
  return {
    id: `hcsp:${identifier.replace(/^hcsp:/, '')}`,
    name: metadata.name,
    hasIdentifier: status.identifier !== undefined,
    features,
    max,
    boot: 0,
    // The operator gives no rank to a server that is drained or does not report.
    isDrained: rank === undefined,
  };
}
