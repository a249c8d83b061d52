/** What is worth an Event: moves by the batch, servers that are lost or drained, refusals. Decides only; pure. */
import type { Condition } from '../../crds/metadata.ts';
import type { CameraClient, CameraClientStatus } from '../../crds/camera-client.ts';
import type { HomeServer, HomeServerStatus } from '../../crds/home-server.ts';
import { isClientName, isServerName } from '../../protocol/identifiers.ts';
import { explainPair } from './standing.ts';
import { fullNameOf, type World } from './world.ts';

/** Reasons of our Events; docs/conditions.md says what each means. */
export const eventReasons = {
  Moved: 'Cameras have moved to this server, and why.',
  Drained: 'The server is to be drained and has no client any more.',
  AgentLost: 'The server’s agent has been silent for 30 seconds.',
  AgentReady: 'The server’s agent reports, with all its features.',
  FeaturesMissing: 'Features that the server should announce failed their live check.',
  KeyInUse: 'Another key asked for a name whose present key is connected.',
  Refused: 'Enrolments or certificates were refused, and why.',
} as const;

/** What an Event is about. */
export interface Regarding {
  readonly kind: 'HomeServer' | 'CameraClient';
  readonly name: string;
  readonly namespace?: string;
}

export interface EventNote {
  readonly regarding: Regarding;
  readonly type: 'Normal' | 'Warning';
  readonly reason: keyof typeof eventReasons;
  readonly note: string;
}

/** One camera that was at one server and now is at another. */
export interface Move {
  readonly camera: string;
  readonly from: string;
  readonly to: string;
  /** Of the handover, as the client told: `rank`, `full`, `drain`, `silent`… */
  readonly why: string;
}

/** The move between what the status says and what it is to say. */
export function findMove(camera: CameraClient, next: CameraClientStatus): Move | undefined {
  const from = camera.status?.server;
  const to = next.server;
  if (from === undefined || to === undefined || from === to) return undefined;
  const { lastHandover } = next;
  const why = lastHandover?.to === to ? (lastHandover.reason ?? 'other') : 'other';
  return { camera: fullNameOf(camera), from, to, why };
}

/** One Event for all cameras that went the same way for the same reason. */
export function batchMoves(moves: readonly Move[], world: World): readonly EventNote[] {
  const batches = Map.groupBy(moves, ({ from, to, why }) => `${from}\n${to}\n${why}`);
  return [...batches.values()].flatMap((batch): readonly EventNote[] => {
    const [first] = batch;
    if (first === undefined) return [];
    const who = batch.length === 1 ? first.camera : `${batch.length} cameras`;
    const note = `${who} moved from ${first.from} to ${first.to}: ${explainMove(first, world)}`;
    return [{ regarding: { kind: 'HomeServer', name: first.to }, type: 'Normal', reason: 'Moved', note }];
  });
}

/** What of a server's change is worth an Event. */
export function serverEvents(server: HomeServer, next: HomeServerStatus): readonly EventNote[] {
  const regarding: Regarding = { kind: 'HomeServer', name: server.metadata.name };
  const changed = (type: string): Condition | undefined => {
    const before = server.status?.conditions?.find((each) => each.type === type);
    const after = next.conditions?.find((each) => each.type === type);
    // A resource's first status is no event.
    return before === undefined || before.reason === after?.reason ? undefined : after;
  };
  const notes: EventNote[] = [];
  const ready = changed('Ready');
  if (ready !== undefined && isNotable(ready.reason)) {
    const type = ready.status === 'True' ? 'Normal' : 'Warning';
    notes.push({ regarding, type, reason: ready.reason, note: ready.message });
  }
  const drained = changed('Drained');
  if (drained?.status === 'True') {
    notes.push({ regarding, type: 'Normal', reason: 'Drained', note: drained.message });
  }
  return notes;
}

/** A refusal, told at the resource whose name was asked for; undefined where it is no name of one. */
export function refusalEvent(client: string, reason: string, message: string): EventNote | undefined {
  const note = `${reason}: ${message}`;
  const kind = reason === 'KeyInUse' ? 'KeyInUse' : 'Refused';
  if (isServerName(client)) {
    return { regarding: { kind: 'HomeServer', name: client }, type: 'Warning', reason: kind, note };
  }
  const [namespace = '', name = ''] = client.split('/');
  if (!isClientName(client)) return undefined;
  return { regarding: { kind: 'CameraClient', namespace, name }, type: 'Warning', reason: kind, note };
}

const reasonWords: Readonly<Record<string, string>> = {
  requires: 'it has what the camera requires',
  full: 'the other is full',
  drain: 'the other is draining',
};

function explainMove({ from, to, why }: Move, world: World): string {
  if (why === 'rank') return explainPair(world, to, from) ?? 'it is better';
  const words = reasonWords[why];
  if (words !== undefined) return words;
  return why === 'other' ? `it left ${from}` : `${from} was left (${why})`;
}

function isNotable(reason: string): reason is keyof typeof eventReasons {
  return Object.hasOwn(eventReasons, reason);
}
