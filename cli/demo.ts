/** `homing demo`: the whole story on one machine, by real processes, real multicast on loopback and real TLS. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { type DemoHome, makeDemoHome } from './demo-home.ts';
import { DemoStage } from './demo-stage.ts';
import { type Summary, playStory } from './demo-story.ts';
import { CommandError, exitCodes, paint, printJson, printLine } from './output.ts';

interface DemoOptions {
  readonly once?: boolean;
  readonly json?: boolean;
}

/** The subcommand, for cli/main.ts. */
export const demoCommand = new Command('demo')
  .description('Shows it on this machine: a better server joins, an impostor gets nothing, a plug is pulled.')
  .option('--once', 'play the story once and end (default: stay, and say what to try)')
  .option('--json', 'print each event as a JSON line, and a summary as the last one')
  .addHelpText(
    'after',
    `
Examples:
  homing demo                 the story, then time to play; Ctrl-C removes everything it made
  homing demo --once --json   for programs: exit 1 if a frame was lost or an impostor got a camera`,
  )
  .action(runDemo);

async function runDemo(options: DemoOptions): Promise<void> {
  const interrupt = new AbortController();
  const stage = new DemoStage({ json: options.json === true });
  const onSignal = () => {
    interrupt.abort();
    void stage.close();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  const directory = await mkdtemp(path.join(tmpdir(), 'homing-demo-'));
  try {
    stage.say(paint('bold', 'A home with a CA of its own, and another CA that is a stranger to it.'));
    const home = await makeDemoHome(directory);
    const summary = await playStory(home, stage, { stop: options.once === true, signal: interrupt.signal });
    report(summary, options.json === true);
    if (options.once !== true) await stayToPlay(home, interrupt.signal);
  } catch (error) {
    if (interrupt.signal.aborted) return;
    const message = error instanceof Error ? error.message : String(error);
    throw new CommandError(`playing the story: ${message}`, exitCodes.negative, { cause: error });
  } finally {
    await stage.close();
    await rm(directory, { recursive: true, force: true });
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

function report(summary: Summary, json: boolean): void {
  const failed = !isGood(summary);
  if (failed) process.exitCode = exitCodes.negative;
  if (json) {
    printJson(summary);
    return;
  }
  const { framesSent, framesLost, framesRepeated, handovers } = summary;
  const verdict = `${framesSent} frames sent, ${framesLost} lost over ${handovers.length} handovers`;
  const repeated = `${framesRepeated} are on both servers, one each when joined`;
  printLine(`  ${paint(failed ? 'red' : 'green', verdict)}; ${repeated} (${summary.seconds} s)`);
}

/** Nothing lost, and nobody but a server of the home was given anything. */
function isGood(summary: Summary): boolean {
  const { framesLost, framesDamaged, impostorClients, movedByReplay, strangerBytes } = summary;
  const harm = framesLost + framesDamaged + impostorClients + movedByReplay + strangerBytes;
  return harm === 0 && summary.framesSent > 0 && summary.refused.length > 0;
}

async function stayToPlay(home: DemoHome, signal: AbortSignal): Promise<void> {
  printLine(`
It goes on. In another terminal, try (Ctrl-C here ends it and removes everything):

  bin/homing status --state ${home.pi.state}
  bin/homing listen --trust ${home.trust} --interface lo
  bin/homing check ${home.reference} ${home.pi.recordings} ${home.nuc.recordings}
`);
  await sleep(2 ** 31 - 1, undefined, { signal });
}
