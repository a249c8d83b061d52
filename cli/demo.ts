/** `homing demo`: the whole story on one machine, by real processes, real multicast on loopback and real TLS. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { AgentEvent } from '../agent/events.ts';
import { type CheckTotals, checkRecordings } from './check.ts';
import { type DemoHome, demoCameras, makeDemoHome } from './demo-home.ts';
import { DemoStage, type Refusal } from './demo-stage.ts';
import { CommandError, exitCodes, paint, printJson, printLine } from './output.ts';

interface DemoOptions {
  readonly once?: boolean;
  readonly json?: boolean;
}

interface Summary {
  readonly handovers: readonly Omit<AgentEvent & { event: 'handedOver' }, 'event' | 'time'>[];
  readonly refused: readonly Refusal[];
  readonly impostorClients: number;
  readonly framesSent: number;
  readonly framesLost: number;
  readonly framesRepeated: number;
  readonly framesDamaged: number;
  readonly seconds: number;
}

/** How long the cameras stream between two turns of the story, and how long the impostor may try. */
const streamingMs = 3_000;
const impostorMs = 5_000;

/** The subcommand, for cli/main.ts. */
export const demoCommand = new Command('demo')
  .description('Shows it on this machine: a better server joins, the cameras move, an impostor gets nothing.')
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

interface StoryOptions {
  /** End the processes before the recordings are compared, so that the last byte counts. */
  readonly stop: boolean;
  readonly signal: AbortSignal;
}

async function playStory(home: DemoHome, stage: DemoStage, options: StoryOptions): Promise<Summary> {
  const { signal } = options;
  const startedMs = performance.now();
  stage.say(paint('bold', 'Server pi takes three cameras.'));
  const pi = stage.start(home.pi);
  const count = demoCameras.length;
  await pi.until({ what: 'the cameras on pi', matches: isOnServer('pi'), count });
  await sleep(streamingMs, undefined, { signal });

  stage.say(paint('bold', 'Server nuc joins; it can do more, and your CA signed it.'));
  stage.start(home.nuc);
  await pi.until({ what: 'the cameras to move to nuc', matches: isHandedOver, count });
  await sleep(streamingMs, undefined, { signal });

  stage.say(paint('bold', 'An impostor comes: better than both, says it, and signed by another CA.'));
  const impostor = stage.start(home.impostor);
  await pi.until({ what: 'pi to refuse the impostor', matches: (event) => isRefusalOf(home, event) });
  stage.showRefused(home.impostor);
  await sleep(impostorMs, undefined, { signal });
  const refused = refusalsIn(stage, home);
  for (const { by, reason } of refused) stage.say(`  ${by} refused it: ${reason}`);

  const totals = await compareRecordings(home, stage, options.stop);
  return {
    handovers: stage
      .eventsOf(isHandedOver)
      .map(({ event: _event, time: _time, by: _by, ...handover }) => handover),
    refused,
    impostorClients: impostor.events.filter((event) => event.event === 'welcomed').length,
    ...totals,
    seconds: Math.round((performance.now() - startedMs) / 100) / 10,
  };
}

async function compareRecordings(home: DemoHome, stage: DemoStage, stop: boolean) {
  stage.say(paint('bold', 'The recordings of both, joined, against what the cameras gave:'));
  if (stop) await stage.close();
  const recordings = [home.pi.recordings, home.nuc.recordings];
  const { totals } = await checkRecordings({ reference: home.reference, recordings });
  return framesOf(totals);
}

function framesOf(totals: CheckTotals) {
  return {
    framesSent: totals.frames,
    framesLost: totals.lost,
    framesRepeated: totals.repeated,
    framesDamaged: totals.damaged,
  };
}

function report(summary: Summary, json: boolean): void {
  const failed =
    summary.framesLost > 0 ||
    summary.framesDamaged > 0 ||
    summary.framesSent === 0 ||
    summary.impostorClients > 0;
  if (failed || summary.refused.length === 0) process.exitCode = exitCodes.negative;
  if (json) {
    printJson(summary);
    return;
  }
  const { framesSent, framesLost, framesRepeated, handovers } = summary;
  const verdict = `${framesSent} frames sent, ${framesLost} lost over ${handovers.length} handovers`;
  const repeated = `${framesRepeated} are on both servers, one each when joined`;
  printLine(`  ${paint(failed ? 'red' : 'green', verdict)}; ${repeated} (${summary.seconds} s)`);
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

/** Who of the home refused the impostor, once for each reason. */
function refusalsIn(stage: DemoStage, home: DemoHome): readonly Refusal[] {
  const seen = new Map<string, Refusal>();
  for (const { by, reason, ...event } of stage.eventsOf(isRefusal)) {
    if (by === home.impostor.name || !event.detail?.includes(home.strangerName)) continue;
    seen.set(`${by} ${reason}`, { by, reason });
  }
  return [...seen.values()];
}

function isOnServer(server: string) {
  return (event: AgentEvent) => event.event === 'connected' && event.to === server;
}

function isHandedOver(event: AgentEvent): event is AgentEvent & { event: 'handedOver' } {
  return event.event === 'handedOver';
}

function isRefusal(event: AgentEvent): event is AgentEvent & { event: 'dropped' | 'refused' } {
  return event.event === 'dropped' || event.event === 'refused';
}

/** Other homes on this machine are refused as well; the impostor is known by the CA that signed it. */
function isRefusalOf(home: DemoHome, event: AgentEvent): boolean {
  return isRefusal(event) && event.detail?.includes(home.strangerName) === true;
}
