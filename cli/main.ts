/** The `homing` command: runs a subcommand and turns how it ends into an exit code. */
import { CommanderError } from 'commander';
import { ConfigError } from '../crds/config-error.ts';
import { CommandError, exitCodes, printNote } from './output.ts';
import { buildProgram } from './program.ts';

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
    if (error instanceof ConfigError) {
      printNote(`homing: ${error.message}`);
      return exitCodes.usage;
    }
    throw error;
  }
}

process.exitCode = await main();
