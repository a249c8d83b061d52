/** `homing check`: what sources gave against what was recorded; proves that nothing was lost, or says what was. */
import { stat } from 'node:fs/promises';
import { Command } from 'commander';
import { checkFiles } from './check-files.ts';
import { type CameraReport, type CheckReport, checkRecordings } from './check-recordings.ts';
import { CommandError, exitCodes, paint, printJson, printLine } from './output.ts';

export { type CheckReport, type CheckTotals, checkRecordings } from './check-recordings.ts';

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
    else printReport(report);
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

const columns = ['in all', 'lost', 'repeated', 'damaged', 'foreign'] as const;

function printReport(report: CheckReport): void {
  const width = Math.max(6, ...report.cameras.map((camera) => nameOf(camera).length));
  printLine(`${''.padEnd(width)}  ${columns.map((column) => column.padStart(9)).join('')}`);
  for (const camera of report.cameras) {
    printLine(`${nameOf(camera).padEnd(width)}  ${cells(camera)}  ${paint('dim', camera.unit)}`);
  }
  if (report.cameras.length > 1) printLine(`${'total'.padEnd(width)}  ${cells(report.totals)}`);
  for (const camera of report.cameras) {
    for (const problem of camera.problems) printLine(paint('yellow', `${nameOf(camera)}: ${problem}`));
  }
  for (const problem of report.problems) printLine(paint('yellow', problem));
  const { bytes, bytesLost, bytesDamaged, bytesUnderWay } = report.totals;
  const underWay = bytesUnderWay === 0 ? '' : `, ${bytesUnderWay} still on their way`;
  printLine(paint('dim', `${bytes} bytes, ${bytesLost} lost, ${bytesDamaged} damaged${underWay}`));
  printLine(
    report.isWhole
      ? paint('green', 'nothing is lost')
      : paint('red', 'this does not prove that nothing is lost'),
  );
}

function cells(counts: CheckReport['totals']): string {
  const { frames, lost, repeated, damaged, foreign } = counts;
  return [frames, lost, repeated, damaged, foreign].map((count) => String(count).padStart(9)).join('');
}

function nameOf({ name, stream }: CameraReport): string {
  return stream === '' || stream === 'main' ? name : `${name}/${stream}`;
}
