/** Every subcommand of `homing`, composed. */
import { Command } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { agentCommand } from './agent.ts';
import { announceCommand } from './announce.ts';
import { caCommand } from './ca.ts';
import { checkCommand } from './check.ts';
import { clusterTestCommand } from './cluster-test.ts';
import { connectCommand } from './connect.ts';
import { demoCommand } from './demo.ts';
import { listenCommand } from './listen.ts';
import { operatorCommand } from './operator.ts';
import { rankCommand } from './rank.ts';
import { statusCommand } from './status.ts';
import { verifyCommand } from './verify.ts';

/** The command line as a tree; parsing throws a CommanderError instead of ending the process. */
export function buildProgram(): Command {
  const program = new Command('homing')
    .description(
      'Cameras move by themselves to the best server that your own CA signed; not one frame is lost.',
    )
    .version(manifest.version)
    .showHelpAfterError('(run with --help for examples)')
    .exitOverride();
  program.addCommand(demoCommand);
  program.addCommand(caCommand);
  program.addCommand(agentCommand);
  program.addCommand(announceCommand);
  program.addCommand(verifyCommand);
  program.addCommand(checkCommand);
  program.addCommand(connectCommand);
  program.addCommand(listenCommand);
  program.addCommand(operatorCommand);
  program.addCommand(rankCommand);
  program.addCommand(statusCommand);
  program.addCommand(clusterTestCommand);
  inheritSettings(program);
  return program;
}

/** `addCommand` inherits nothing: without this a wrong use of a subcommand would end the process by itself, with code 1. */
function inheritSettings(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    inheritSettings(command);
  }
}
