/** `homing check`: what sources gave against what was recorded; proves that nothing was lost, or says what was. */
import { stat } from 'node:fs/promises';
import { Command } from 'commander';
import { checkFiles } from './check-files.ts';
import { type CheckReport, checkRecordings } from './check-recordings.ts';
import { formatReport } from './check-view.ts';
import { CommandError, exitCodes, printJson, printLine } from './output.ts';

export { type CheckReport, checkRecordings } from './check-recordings.ts';

/** The subcommand, for cli/main.ts. */
export const checkCommand = new Command('check')
  .description('Compares what sources gave with what was recorded: frames lost, repeated, damaged.')
  .argument('<reference>', 'what --keep-source wrote, or one plain file')
  .argument('<recording...>', 'folders of recordings, joined by (term, offset); or plain files')
  .option('--json', 'print the report as one JSON object')
  .addHelpText(
    'after',
    `
Exits 0 when nothing was lost or damaged, 1 when something was or the reference proves nothing, 2 for wrong usage.

Examples:
  homing check kept/ pi/recordings/ nuc/recordings/      every camera of a home
  homing check kept/ /srv/recordings --json              for programs
  homing check film.ts recordings/default/door/main      one file, as \`connect --source film.ts\` played it
  homing check film.ts received.ts                       two files, frame by frame`,
  )
  .action(async (reference: string, recordings: readonly string[], { json }: { readonly json?: boolean }) => {
    const report = await check(reference, recordings);
    if (json === true) printJson(report);
    else for (const line of formatReport(report)) printLine(line);
    if (!report.isWhole) process.exitCode = exitCodes.negative;
  });

async function check(reference: string, recordings: readonly string[]): Promise<CheckReport> {
  try {
    if (!(await isFolder(reference))) return await checkFiles(reference, recordings);
    for (const recording of recordings) {
      if (await isFolder(recording)) continue;
      throw new CommandError(
        `checking ${recording}: a folder of references is compared with folders of recordings`,
      );
    }
    return await checkRecordings({ reference, recordings });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) throw error;
    throw new CommandError(`checking recordings: ${error.message}`, exitCodes.usage, { cause: error });
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory();
}
