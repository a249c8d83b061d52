/** The demo's story: a better server joins, an impostor gets nothing, a plug is pulled, the server comes back. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentEvent } from '../agent/events.ts';
import { checkRecordings } from './check.ts';
import { openReplayer, openStranger } from './demo-attacks.ts';
import { type DemoHome, demoCameras } from './demo-home.ts';
import type { DemoProcess } from './demo-process.ts';
import type { DemoStage, Refusal } from './demo-stage.ts';
import { paint } from './output.ts';

type Handover = AgentEvent & { event: 'handedOver' };

/** What the story came to. */
export interface Summary {
  readonly handovers: readonly Omit<Handover, 'event' | 'time'>[];
  readonly refused: readonly Refusal[];
  /** Cameras that the impostor was given. */
  readonly impostorClients: number;
  /** Cameras that moved while a dead server's announcement was replayed and a stranger listened on its port. */
  readonly movedByReplay: number;
  /** Bytes that anybody said to that stranger after its handshake. */
  readonly strangerBytes: number;
  readonly framesSent: number;
  readonly framesLost: number;
  readonly framesRepeated: number;
  readonly framesDamaged: number;
  readonly seconds: number;
}

export interface StoryOptions {
  /** End the processes before the recordings are compared, so that the last byte counts. */
  readonly stop: boolean;
  readonly signal: AbortSignal;
}

interface Scene extends StoryOptions {
  readonly home: DemoHome;
  readonly stage: DemoStage;
  /** Bridges the cameras, so it tells of every move. */
  readonly pi: DemoProcess;
}

/** How long the cameras stream between two turns of the story, and how long an attacker may try. */
const streamingMs = 2_000;
const impostorMs = 4_000;
const replays = 5;
const replayEveryMs = 800;
/** Hold-down, and the 30 s that lie between two moves for a better rank. */
const comeBackTimeoutMs = 60_000;

export async function playStory(home: DemoHome, stage: DemoStage, options: StoryOptions): Promise<Summary> {
  const startedMs = performance.now();
  stage.say(paint('bold', 'Server pi takes three cameras.'));
  const pi = stage.start(home.pi);
  const scene: Scene = { home, stage, pi, ...options };
  await pi.until({ what: 'the cameras on pi', matches: isOnServer('pi'), count: demoCameras.length });
  await stream(scene);
  const replayer = await openReplayer(home);
  try {
    const nuc = await betterServerJoins(scene);
    const impostor = await impostorComes(scene);
    await plugIsPulled(scene, nuc);
    const replay = await strangerTakesItsPlace(scene, () => replayer.replay(nuc.name));
    await serverComesBack(scene);
    return {
      handovers: handoversIn(pi).map(({ event: _event, time: _time, ...handover }) => handover),
      refused: refusalsIn(stage, home),
      impostorClients: impostor.events.filter((event) => event.event === 'welcomed').length,
      ...replay,
      ...(await compareRecordings(scene)),
      seconds: Math.round((performance.now() - startedMs) / 100) / 10,
    };
  } finally {
    await replayer.close();
  }
}

async function betterServerJoins(scene: Scene): Promise<DemoProcess> {
  const { home, stage } = scene;
  stage.say(paint('bold', 'Server nuc joins; it can do more, and your CA signed it.'));
  const nuc = stage.start(home.nuc);
  await untilMoved(scene, 'to nuc', 1);
  await stream(scene);
  return nuc;
}

async function impostorComes({ home, stage, pi, signal }: Scene): Promise<DemoProcess> {
  stage.say(paint('bold', 'An impostor comes: better than both, says it, and signed by another CA.'));
  const impostor = stage.start(home.impostor);
  await pi.until({ what: 'pi to refuse the impostor', matches: (event) => isRefusalOf(home, event) });
  stage.show(home.impostor, 'refused');
  await sleep(impostorMs, undefined, { signal });
  for (const { by, reason } of refusalsIn(stage, home)) stage.say(`  ${by} refused it: ${reason}`);
  return impostor;
}

async function plugIsPulled(scene: Scene, nuc: DemoProcess): Promise<void> {
  const { home, stage } = scene;
  stage.say(paint('bold', 'The plug of nuc is pulled (SIGKILL).'));
  nuc.kill();
  stage.show(home.nuc, 'stopped');
  await untilMoved(scene, 'back to pi', 2);
}

async function strangerTakesItsPlace(scene: Scene, replay: () => boolean) {
  const { home, stage, pi, signal } = scene;
  stage.say(paint('bold', 'An attacker replays its announcement and listens on its port.'));
  const before = handoversIn(pi).length;
  const stranger = await openStranger(home, home.nuc);
  let sent = 0;
  try {
    for (let round = 0; round < replays; round += 1) {
      sent += replay() ? 1 : 0;
      await sleep(replayEveryMs, undefined, { signal });
    }
  } finally {
    await stranger.close();
  }
  const movedByReplay = handoversIn(pi).length - before;
  const { calls, bytesHeard } = stranger;
  stage.say(
    `  ${sent} replays, ${calls} calls to the stranger: ${movedByReplay} cameras moved, ${bytesHeard} bytes said`,
  );
  return { movedByReplay, strangerBytes: bytesHeard };
}

async function serverComesBack(scene: Scene): Promise<void> {
  const { home, stage } = scene;
  stage.say(paint('bold', 'nuc comes back. It must show that it stays before the cameras go to it again.'));
  stage.start(home.nuc);
  await untilMoved(scene, 'to nuc again', 3);
  await stream(scene);
}

/** Every camera has moved `times` times. */
async function untilMoved({ pi }: Scene, where: string, times: number): Promise<void> {
  const count = times * demoCameras.length;
  const what = `the cameras to move ${where}`;
  await pi.until({ what, matches: isHandedOver, count, timeoutMs: comeBackTimeoutMs });
}

async function stream({ signal }: Scene): Promise<void> {
  await sleep(streamingMs, undefined, { signal });
}

async function compareRecordings({ home, stage, stop }: Scene) {
  stage.say(paint('bold', 'The recordings of both, joined, against what the cameras gave:'));
  if (stop) await stage.close();
  const recordings = [home.pi.recordings, home.nuc.recordings];
  const { totals } = await checkRecordings({ reference: home.reference, recordings });
  return {
    framesSent: totals.frames,
    framesLost: totals.lost,
    framesRepeated: totals.repeated,
    framesDamaged: totals.damaged,
  };
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

function handoversIn({ events }: DemoProcess): readonly Handover[] {
  return events.filter(isHandedOver);
}

function isOnServer(server: string) {
  return (event: AgentEvent) => event.event === 'connected' && event.to === server;
}

function isHandedOver(event: AgentEvent): event is Handover {
  return event.event === 'handedOver';
}

function isRefusal(event: AgentEvent): event is AgentEvent & { event: 'dropped' | 'refused' } {
  return event.event === 'dropped' || event.event === 'refused';
}

/** Other homes on this machine are refused as well; the impostor is known by the CA that signed it. */
function isRefusalOf(home: DemoHome, event: AgentEvent): boolean {
  return isRefusal(event) && event.detail?.includes(home.strangerName) === true;
}
