/** Whether a cluster's servers are as they should be, and between which a test camera can move. Pure. */
import type { HomeServer } from '../crds/home-server.ts';

export interface ServersVerdict {
  /** What is not as it should be yet, a sentence each. */
  readonly problems: readonly string[];
  /** Servers with room, best first, with where they are reached. */
  readonly open: readonly { readonly name: string; readonly address: string }[];
}

/** Judges those that have enrolled; others are only declared, which is no mistake. */
export function judgeServers(homeServers: readonly HomeServer[]): ServersVerdict {
  const enrolled = homeServers.filter(({ status }) => status?.identifier !== undefined);
  const problems = enrolled.flatMap(problemsOf);
  const open = enrolled
    .flatMap(({ metadata, status }) => {
      const { address, rank, clients = 0, max = 0 } = status ?? {};
      return address === undefined || rank === undefined || clients >= max
        ? []
        : { name: metadata.name, address, rank };
    })
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ name, address }) => ({ name, address }));
  if (enrolled.length === 0) return { problems: ['no HomeServer has enrolled yet'], open };
  return { problems, open };
}

function problemsOf({ metadata, status }: HomeServer): readonly string[] {
  return (['Ready', 'Heard'] as const).flatMap((type) => {
    const condition = status?.conditions?.find((each) => each.type === type);
    if (condition === undefined) return `${metadata.name}: has no condition ${type} yet`;
    if (condition.status === 'True') return [];
    return `${metadata.name}: ${type} is ${condition.status} (${condition.reason}): ${condition.message}`;
  });
}
