/** Which agents may hold a camera's session: those that it names, or by rendezvous hashing a stable choice of ours. Pure. */
import { createHash } from 'node:crypto';
import type { CameraClient } from '../../crds/camera-client.ts';
import { compareCodePoints } from '../../protocol/identifiers.ts';
import { fullNameOf, reportOf, type World } from './world.ts';

/** How many bridges are chosen for a camera that names none: one, and one that takes over. Our choice. */
const chosenBridges = 2;

/** Who bridges a camera. */
export interface BridgePlan {
  /** In order; empty for a native client and where nobody can. */
  readonly servers: readonly string[];
  /** Named in the resource, and no HomeServer of that name is there. */
  readonly unknown: readonly string[];
}

/** By camera's name. */
export type BridgePlans = ReadonlyMap<string, BridgePlan>;

/** The bridges of every camera. */
export function planBridges(world: World): BridgePlans {
  const known = new Set(world.homeServers.map(({ metadata }) => metadata.name));
  const nodes = nodeServers(world);
  const ready = nodes.filter((name) => reportOf(world, name)?.server !== undefined);
  const candidates: Candidates = { known, nodes, ready };
  return new Map(world.cameraClients.map((camera) => [fullNameOf(camera), planBridge(camera, candidates)]));
}

interface Candidates {
  readonly known: ReadonlySet<string>;
  /** HomeServers that are nodes, ready or not. */
  readonly nodes: readonly string[];
  readonly ready: readonly string[];
}

function planBridge(camera: CameraClient, candidates: Candidates): BridgePlan {
  const { bridge, source } = camera.spec;
  const named = bridge?.servers ?? [];
  if (named.length > 0) {
    return {
      servers: named.filter((name) => candidates.known.has(name)),
      unknown: named.filter((name) => !candidates.known.has(name)),
    };
  }
  if (source.native !== undefined) return { servers: [], unknown: [] };
  return { servers: chooseBridges(camera, candidates), unknown: [] };
}

/** The one that was chosen before stays while its node is there, ready or not: moving a camera's session costs frames. */
function chooseBridges(camera: CameraClient, { nodes, ready }: Candidates): readonly string[] {
  const present = camera.status?.bridge;
  const name = fullNameOf(camera);
  const first = present !== undefined && nodes.includes(present) ? present : rankByHash(name, ready)[0];
  if (first === undefined) return [];
  const others = rankByHash(
    name,
    nodes.filter((node) => node !== first),
  );
  return [first, ...others].slice(0, chosenBridges);
}

function nodeServers({ homeServers, nodes }: World): readonly string[] {
  return homeServers
    .filter(({ metadata, spec }) => spec.external === undefined && nodes.has(metadata.name))
    .map(({ metadata }) => metadata.name);
}

/** Rendezvous hashing: when a node comes or goes, only the cameras that it wins or had are concerned. */
function rankByHash(camera: string, servers: readonly string[]): readonly string[] {
  return servers
    .map((server) => ({ server, hash: createHash('sha256').update(`${camera}\n${server}`).digest('hex') }))
    .toSorted((a, b) => compareCodePoints(a.hash, b.hash))
    .map(({ server }) => server);
}
