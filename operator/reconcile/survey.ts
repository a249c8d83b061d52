/** What several decisions need to know of the whole home, worked out once for all of them. Pure. */
import type { CameraClient } from '../../crds/camera-client.ts';
import type { ServerReport } from '../../crds/operator-messages.ts';
import { planBridges, type BridgePlans } from './bridges.ts';
import { claimantOf, findDuplicates, type Duplicate } from './duplicates.ts';
import type { Hearing } from './hearing.ts';
import { rankWorld } from './standing.ts';
import { fullNameOf, isSettled, reportOf, type World } from './world.ts';

export interface Survey {
  readonly world: World;
  readonly hearing: Hearing;
  readonly isSettled: boolean;
  readonly ranking: ReturnType<typeof rankWorld>;
  readonly bridges: BridgePlans;
  readonly duplicates: ReadonlyMap<string, Duplicate>;
  /** By the name of who may hold its session (a native client: itself): the cameras, those with another's identity left out. */
  readonly assigned: ReadonlyMap<string, readonly CameraClient[]>;
  readonly suspended: readonly CameraClient[];
  /** By client's name: the server that says that it streams there, and why. */
  readonly served: ReadonlyMap<string, { readonly server: string; readonly why: string }>;
}

/** Looks at everything once. */
export function surveyWorld(world: World, hearing: Hearing): Survey {
  const bridges = planBridges(world);
  const duplicates = findDuplicates(world);
  return {
    world,
    hearing,
    isSettled: isSettled(world),
    ranking: rankWorld(world),
    bridges,
    duplicates,
    assigned: findAssigned(world, bridges, duplicates),
    suspended: world.cameraClients.filter(({ spec }) => spec.suspend === true),
    served: findServed(world),
  };
}

function findAssigned(
  { cameraClients }: World,
  bridges: BridgePlans,
  duplicates: Survey['duplicates'],
): Survey['assigned'] {
  const assigned = new Map<string, CameraClient[]>();
  for (const camera of cameraClients) {
    if (duplicates.has(claimantOf(camera))) continue;
    const name = fullNameOf(camera);
    const holders = camera.spec.source.native === undefined ? (bridges.get(name)?.servers ?? []) : [name];
    for (const holder of holders) {
      const list = assigned.get(holder);
      if (list === undefined) assigned.set(holder, [camera]);
      else list.push(camera);
    }
  }
  return assigned;
}

function findServed(world: World): Survey['served'] {
  const served = new Map<string, { readonly server: string; readonly why: string }>();
  for (const { metadata } of world.homeServers) {
    const report: ServerReport | undefined = reportOf(world, metadata.name)?.server;
    for (const { name, isStreaming, why } of report?.clients ?? []) {
      if (isStreaming) served.set(name, { server: metadata.name, why });
    }
  }
  return served;
}
