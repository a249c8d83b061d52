/** Which servers hear which, slow to say that one is not heard: a flapping link must not be a stream of writes. Pure. */
import type { HomeServer } from '../../crds/home-server.ts';
import { compareCodePoints } from '../../protocol/identifiers.ts';
import { reportOf, type World } from './world.ts';

/** A server is shown as not heard, or a listener as gone, after this long. Being heard is shown at once. */
const notHeardAfterMs = 60_000;

/** One listener and one that it should hear. */
interface Ear {
  /** What is shown. `pending`: the listener is there, and it is too early to say that it does not hear. */
  readonly shown?: 'heard' | 'notHeard' | 'pending';
  /** Since when what is so differs from what is shown. */
  readonly differsSinceMs?: number;
}

/** By heard server's name, by listener's name. */
export type Hearing = ReadonlyMap<string, ReadonlyMap<string, Ear>>;

/** By whom a server is heard, of those who should. */
export interface HeardBy {
  readonly heardBy: readonly string[];
  readonly notHeardBy: readonly string[];
  /** For whom it is too early to say. */
  readonly pending: readonly string[];
}

/** The next memory, from the last one and what agents report now. */
export function updateHearing(previous: Hearing, world: World): Hearing {
  const names = world.homeServers.map(({ metadata }) => metadata.name).toSorted(compareCodePoints);
  const heard = new Map(names.map((name) => [name, new Set(reportOf(world, name)?.server?.hears)]));
  return new Map(
    world.homeServers.map((server) => {
      const { name } = server.metadata;
      const before = previous.get(name) ?? recallEars(server, names);
      const ears = names
        .filter((listener) => listener !== name)
        .map((listener) => {
          const isReporting = reportOf(world, listener)?.server !== undefined;
          const actual = isReporting
            ? heard.get(listener)?.has(name) === true
              ? 'heard'
              : 'notHeard'
            : undefined;
          return [listener, stepEar(before.get(listener) ?? {}, actual, world.nowMs)] as const;
        });
      return [name, new Map(ears)];
    }),
  );
}

/** Who hears a server, and who does not though it should; sorted. */
export function heardByOf(hearing: Hearing, name: string): HeardBy {
  const ears = [...(hearing.get(name) ?? new Map<string, Ear>())];
  const named = (shown: Ear['shown']): readonly string[] =>
    ears.filter(([, ear]) => ear.shown === shown).map(([listener]) => listener);
  return { heardBy: named('heard'), notHeardBy: named('notHeard'), pending: named('pending') };
}

/** When something will be shown though nothing else happens; undefined where nothing is pending. */
export function hearingDueMs(hearing: Hearing): number | undefined {
  const since = [...hearing.values()].flatMap((ears) =>
    [...ears.values()].flatMap(({ differsSinceMs }) => differsSinceMs ?? []),
  );
  return since.length === 0 ? undefined : Math.min(...since) + notHeardAfterMs;
}

/** What the last operator wrote: a restart is no reason to write. */
function recallEars({ metadata, status }: HomeServer, names: readonly string[]): ReadonlyMap<string, Ear> {
  if (status?.heardBy === undefined) return new Map();
  const notHeardBy = status.notHeardBy ?? [];
  const others = names.filter((name) => name !== metadata.name);
  const [count] = status.heardBy.split('/');
  const heard = others.filter((name) => !notHeardBy.includes(name)).slice(0, Number(count));
  return new Map([
    ...notHeardBy.map((name): [string, Ear] => [name, { shown: 'notHeard' }]),
    ...heard.map((name): [string, Ear] => [name, { shown: 'heard' }]),
  ]);
}

function stepEar(before: Ear, actual: Ear['shown'], nowMs: number): Ear {
  if (actual === 'heard') return { shown: 'heard' };
  if (before.shown === actual) return actual === undefined ? {} : { shown: actual };
  const differsSinceMs = before.differsSinceMs ?? nowMs;
  if (nowMs - differsSinceMs >= notHeardAfterMs) return actual === undefined ? {} : { shown: actual };
  return { shown: before.shown ?? 'pending', differsSinceMs };
}
