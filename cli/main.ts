/** The `homing` command: composes the parts; one file a subcommand. */
import { Command, CommanderError } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { checkCommand } from './check.ts';
import { CommandError, exitCodes, printNote } from './output.ts';

function buildProgram(): Command {
  const program = new Command('homing')
    .description(
      'Cameras move by themselves to the best server that your own CA signed; not one frame is lost.',
    )
    .version(manifest.version)
    .showHelpAfterError('(run with --help for examples)')
    .exitOverride();
  program.addCommand(checkCommand);
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

async function main(): Promise<number> {
  try {
    await buildProgram().parseAsync();
    return Number(process.exitCode ?? exitCodes.good);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.good : exitCodes.usage;
    if (error instanceof CommandError) {
      printNote(`homing: ${error.message}`);
      return error.exitCode;
    }
    throw error;
  }
}

process.exitCode = await main();
