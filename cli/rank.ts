/** `homing rank`: who gets which client, and why. */
import { Command, Option } from 'commander';
import { readResources } from '../agent/control/resource-files.ts';
import { planClusterRank } from './cluster-home.ts';
import { readCluster, withCluster, type ClusterFlags } from './cluster.ts';
import { CommandError, exitCodes, paint, printJson, printLine } from './output.ts';
import { type PlannedClient, type PlannedServer, type RankPlan, planRank } from './rank-plan.ts';
import { askAgent } from './status.ts';
import { describeRank, parseStatus } from './status-view.ts';

interface RankFlags extends ClusterFlags {
  readonly resources?: string;
  readonly state?: string;
  readonly json?: boolean;
}

/** The subcommand, for cli/main.ts. */
export const rankCommand = withCluster(new Command('rank'))
  .description(
    'Says who would get which client and why: of a cluster, of resource files, or of a running agent.',
  )
  .addOption(
    new Option('--resources <path>', 'a file, or a folder of .yaml, .yml and .json files').conflicts('state'),
  )
  .option('--state <dir>', "a running agent's own --state folder")
  .option('--json', 'print one JSON object')
  .addHelpText(
    'after',
    `
Of a cluster (without --resources and --state): by the rules alone, from what servers announce now; where clients are and why
says \`homing status\`. Out of files: as if all servers were up, healthy and linked, and nobody were held down. Of a running agent: how things are,
and why a client does not move.

Exits 0 when every client that is not suspended has a server, 1 when one has none or no server runs there, 2 for wrong
usage or files.

Examples:
  homing rank --resources home.yaml
  homing rank --resources /etc/homing --json | jq '.clients[] | select(.tiedWith != [])'
  homing rank --state /var/lib/homing
  kubectl homing rank
  homing rank --kubeconfig house.yaml --context attic`,
  )
  .action(async ({ resources, state, json = false, ...cluster }: RankFlags) => {
    if (resources !== undefined) tellPlan(planRank(await readResources(resources)), json);
    else if (state === undefined) tellPlan(planClusterRank(await readCluster(cluster)), json);
    else await rankAgent(state, json);
  });

function tellPlan(plan: RankPlan, isJson: boolean): void {
  if (isJson) printJson(plan);
  else showPlan(plan);
  const isComplete = plan.clients.every(({ server, isSuspended }) => server !== undefined || isSuspended);
  if (!isComplete) process.exitCode = exitCodes.negative;
}

function showPlan({ servers, clients }: RankPlan): void {
  printLine(paint('bold', 'SERVERS, best first for a client without wishes'));
  if (servers.length === 0) printLine('  none');
  for (const [index, server] of servers.entries()) printLine(`  ${index + 1}. ${describeServer(server)}`);
  printLine();
  printLine(paint('bold', 'CLIENTS'));
  if (clients.length === 0) printLine('  none');
  for (const client of clients) printLine(`  ${describeClient(client)}`);
}

function describeServer({ name, features, level, max, clients, why }: PlannedServer): string {
  const able = features.length === 0 ? 'no features' : features.join('+');
  return `${name}  level ${level} (${able}), ${clients} of ${max} clients  ${why}`;
}

function describeClient({ name, server, why, tiedWith, isSuspended }: PlannedClient): string {
  if (server === undefined) return `${name} → ${paint(isSuspended ? 'dim' : 'red', 'nobody')}  ${why}`;
  const tie = tiedWith.length === 0 ? '' : paint('yellow', ` or ${tiedWith.join(' or ')}`);
  return `${name} → ${server}${tie}  ${why}`;
}

async function rankAgent(state: string, isJson: boolean): Promise<void> {
  const status = parseStatus(await askAgent(state));
  const lines = status === undefined ? undefined : describeRank(status);
  if (status?.server === undefined || lines === undefined) {
    throw new CommandError(`the agent of ${state} runs no server: ask one that does`, exitCodes.negative);
  }
  const { name, ranking, clients, peers } = status.server;
  if (isJson) printJson({ server: name, ranking, clients, peers });
  else for (const line of lines) printLine(line);
}
