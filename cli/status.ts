/** `homing status`: what the agent of a state folder does, and why. */
import { Command } from 'commander';
import { readStatus } from '../agent/status-socket.ts';
import { CommandError, exitCodes, printJson, printLine } from './output.ts';
import { describeStatus, parseStatus } from './status-view.ts';

interface StatusFlags {
  readonly state: string;
  readonly json?: boolean;
}

/** The subcommand, for cli/main.ts. */
export const statusCommand = new Command('status')
  .description('Shows servers with rank and why, clients, links and the last handovers of a running agent.')
  .requiredOption('--state <dir>', "the agent's own --state folder")
  .option('--json', 'print the status as one JSON object')
  .addHelpText(
    'after',
    `
Exits 0 with a status, 1 where no agent runs with that folder.

Examples:
  homing status --state /var/lib/homing
  homing status --state /var/lib/homing --json | jq '.server.ranking'`,
  )
  .action(async ({ state, json }: StatusFlags) => {
    const status = await askAgent(state);
    if (json === true) {
      printJson(status);
      return;
    }
    const shown = parseStatus(status);
    if (shown === undefined) {
      throw new CommandError(`the agent of ${state} is of another version: try --json`, exitCodes.negative);
    }
    for (const line of describeStatus(shown)) printLine(line);
  });

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
