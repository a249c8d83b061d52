/** Who is best and why, for a client without wishes: the same rule by which servers send their clients away. Pure. */
import type { HomeServer } from '../../crds/home-server.ts';
import { explainRank, noPreferences, rankServers, type RankedServer } from '../../protocol/ranking.ts';
import { reportOf, type World } from './world.ts';

/** A server with its name. */
interface NamedServer extends RankedServer {
  readonly name: string;
}

/** Where one server stands. */
export interface Standing {
  /** From 1; absent for a server that takes nobody (drained, or its agent is lost). */
  readonly rank?: number;
  /** The best server's name; absent where nobody takes clients. */
  readonly best?: string;
  /** Why the best is the best, seen from this server. */
  readonly reason: string;
}

/** The servers that take clients now, the best first. */
export function rankWorld(world: World): readonly NamedServer[] {
  const servers = world.homeServers.flatMap(({ metadata }): readonly NamedServer[] => {
    const report = reportOf(world, metadata.name)?.server;
    if (report === undefined || report.isDraining || report.max === 0) return [];
    const { identifier, features, max } = report;
    return isServerId(identifier) ? [{ name: metadata.name, id: identifier, features, max, boot: 0 }] : [];
  });
  return rankServers(servers, noPreferences);
}

/** Where the server called `name` stands in that order, and why. */
export function standingOf(ranking: readonly NamedServer[], name: string): Standing {
  const [best, second] = ranking;
  if (best === undefined) return { reason: 'no server takes clients' };
  const index = ranking.findIndex((server) => server.name === name);
  const own = ranking[index];
  if (own === undefined) return { best: best.name, reason: `takes no clients now: ${best.name} is best` };
  return { rank: index + 1, best: best.name, reason: explainStanding(own, best, second) };
}

/** Why a server would win against another, in words. */
export function explainPair(world: World, winner: string, loser: string): string | undefined {
  const ranking = rankWorld(world);
  const first = ranking.find(({ name }) => name === winner);
  const second = ranking.find(({ name }) => name === loser);
  if (first === undefined || second === undefined) return undefined;
  return ranking.indexOf(first) < ranking.indexOf(second)
    ? explainRank(first, second, noPreferences)
    : undefined;
}

/** Names of the HomeServers of a world that announce all of `features`; those that take nobody now count too. */
export function serversWith(world: World, features: readonly string[]): readonly string[] {
  return world.homeServers.flatMap(({ metadata }: HomeServer) => {
    const announced = reportOf(world, metadata.name)?.server?.features;
    return announced !== undefined && features.every((feature) => announced.includes(feature))
      ? [metadata.name]
      : [];
  });
}

function explainStanding(own: NamedServer, best: NamedServer, second: NamedServer | undefined): string {
  if (own !== best) return `${best.name} is best: ${explainRank(best, own, noPreferences)}`;
  if (second === undefined) return 'best: the only one';
  return `best: ${explainRank(own, second, noPreferences)} of ${second.name}`;
}

function isServerId(identifier: string): identifier is NamedServer['id'] {
  return identifier.startsWith('hcsp:');
}
