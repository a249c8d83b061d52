/** `homing status`: what a home does and why, of a cluster or of one agent. */
import { Command } from 'commander';
import { readStatus } from '../agent/status-socket.ts';
import { readCluster, withCluster, type ClusterFlags } from './cluster.ts';
import { describeClusterHome } from './cluster-view.ts';
import { CommandError, exitCodes, printJson, printLine } from './output.ts';
import { describeStatus, parseStatus } from './status-view.ts';

interface StatusFlags extends ClusterFlags {
  readonly state?: string;
  readonly json?: boolean;
}

/** The subcommand, for cli/main.ts. */
export const statusCommand = withCluster(new Command('status'))
  .description(
    'Shows servers with rank and why, and cameras with where and why: of a cluster, or of a running agent.',
  )
  .option('--state <dir>', "a running agent's own --state folder: also its links and last handovers")
  .option('--json', 'print the status as one JSON object')
  .addHelpText(
    'after',
    `
Without --state it is a cluster's home, and reading our three kinds is all that it needs to be allowed. As \`kubectl homing
status\` where kubectl-homing is on PATH.

Exits 0 with a status, 1 where no agent runs with that folder or the cluster cannot be read.

Examples:
  homing status --state /var/lib/homing
  homing status --state /var/lib/homing --json | jq '.server.ranking'
  kubectl homing status
  homing status --kubeconfig house.yaml --json | jq '.cameraClients[].status.server'`,
  )
  .action(async ({ state, json = false, ...cluster }: StatusFlags) => {
    if (state === undefined) await showCluster(cluster, json);
    else await showAgent(state, json);
  });

async function showCluster(cluster: ClusterFlags, isJson: boolean): Promise<void> {
  const home = await readCluster(cluster);
  if (isJson) printJson(home);
  else for (const line of describeClusterHome(home)) printLine(line);
}

async function showAgent(state: string, isJson: boolean): Promise<void> {
  const status = await askAgent(state);
  if (isJson) {
    printJson(status);
    return;
  }
  const shown = parseStatus(status);
  if (shown === undefined) {
    throw new CommandError(`the agent of ${state} is of another version: try --json`, exitCodes.negative);
  }
  for (const line of describeStatus(shown)) printLine(line);
}

/** The status of the agent of a state folder; a CommandError where none answers. */
export async function askAgent(state: string): Promise<unknown> {
  let status: unknown;
  try {
    status = await readStatus(state);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError(`asking the agent of ${state}: ${why}`, exitCodes.negative, { cause: error });
  }
  if (status !== undefined) return status;
  throw new CommandError(
    `no agent runs with --state ${state}: start one with 'homing agent --state ${state} …', or name its folder`,
    exitCodes.negative,
  );
}
