/** I6: who could be on a better server that has room, seen with everybody's true state. */
import { isDraining, liveFeatures } from '../../agent/server/core-state.ts';
import { type RankedServer, compareServers, hasRequired } from '../../protocol/ranking.ts';
import type { VirtualClient } from './virtual-client.ts';
import type { VirtualServer } from './virtual-server.ts';
import type { World } from './world.ts';

/** A sentence for each client that is where it should not be. */
export function findMisplaced(world: World): readonly string[] {
  return world.running.flatMap((client) => {
    const better = findBetter(world, client);
    return better === undefined
      ? []
      : `${client.host} on ${client.server?.host ?? 'no server'} and not on ${better.host}`;
  });
}

/** Those who have no server although one would take them. */
export function findUnserved(world: World): readonly string[] {
  return world.running.flatMap((client) => {
    const open =
      client.server === undefined ? world.servers.find((one) => isOpenFor(world, client, one)) : undefined;
    return open === undefined ? [] : `${client.host} has no server, and ${open.host} has room`;
  });
}

function findBetter(world: World, client: VirtualClient): VirtualServer | undefined {
  const { server } = client;
  const reachable = world.servers.filter((other) => isOpenFor(world, client, other));
  if (server === undefined) return reachable[0];
  const others = reachable.filter((other) => isCandidate(world, client, { server, other }));
  return others.find((other) => isBetter(client, { server, other }));
}

interface Pair {
  readonly server: VirtualServer;
  readonly other: VirtualServer;
}

function isCandidate({ network }: World, client: VirtualClient, { server, other }: Pair): boolean {
  if (other.id === server.id || !network.isOpen(server.host, other.host)) return false;
  return hasRequired(liveFeatures(other.state), client.state.config.requires);
}

function isBetter(client: VirtualClient, { server, other }: Pair): boolean {
  const { requires, weights, mode } = client.state.config;
  const isWithin = placeOf(client, server) < server.config.max;
  const isEligible =
    !isDraining(server.state) && isWithin && hasRequired(liveFeatures(server.state), requires);
  if (!isEligible) return true;
  if (mode === 'AnyValid') return other.state.announcing.boot > server.state.announcing.boot;
  return compareServers(ranked(other), ranked(server), weights) < 0;
}

function isOpenFor({ network }: World, client: VirtualClient, server: VirtualServer): boolean {
  const { state, config, isUp } = server;
  const hasRoom = state.clients.size < config.max;
  return isUp && !isDraining(state) && hasRoom && network.isOpen(client.host, server.host);
}

function placeOf(client: VirtualClient, server: VirtualServer): number {
  return [...server.state.clients.keys()].toSorted().indexOf(client.id);
}

function ranked({ state }: VirtualServer): RankedServer {
  return { id: state.id, features: liveFeatures(state), max: state.config.max, boot: state.announcing.boot };
}
