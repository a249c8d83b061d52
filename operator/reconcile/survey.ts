/** What several decisions need to know of the whole home, worked out once for all of them. Pure. */
import type { ServerReport } from '../../crds/operator-messages.ts';
import { planBridges, type BridgePlans } from './bridges.ts';
import { findDuplicates, type Duplicate } from './duplicates.ts';
import type { Hearing } from './hearing.ts';
import { rankWorld } from './standing.ts';
import { isSettled, reportOf, type World } from './world.ts';

export interface Survey {
  readonly world: World;
  readonly hearing: Hearing;
  readonly isSettled: boolean;
  readonly ranking: ReturnType<typeof rankWorld>;
  readonly bridges: BridgePlans;
  readonly duplicates: ReadonlyMap<string, Duplicate>;
  /** By client's name: the server that says that it streams there, and why. */
  readonly served: ReadonlyMap<string, { readonly server: string; readonly why: string }>;
}

/** Looks at everything once. */
export function surveyWorld(world: World, hearing: Hearing): Survey {
  return {
    world,
    hearing,
    isSettled: isSettled(world),
    ranking: rankWorld(world),
    bridges: planBridges(world),
    duplicates: findDuplicates(world),
    served: findServed(world),
  };
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
