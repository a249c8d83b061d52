import { describe, expect, it } from 'vitest';
import type { Failure, World, WorldShape } from '../../support/handover-world.ts';
import { actionsOf, cloneWorld, createWorld, isGoal, keyOf } from '../../support/handover-world.ts';

const noFailures: Record<Failure, number> = {
  kill: 0,
  restart: 0,
  cut: 0,
  redirect: 0,
  refuse: 0,
  silence: 0,
  heal: 0,
  tenSeconds: 0,
};

interface Exploration {
  readonly states: number;
  readonly isComplete: boolean;
  readonly broken: string | undefined;
  /** From here no path without further failures leads to the end. */
  readonly stuck: string | undefined;
}

/** Visits every state that a world can be in. */
function explore(shape: WorldShape, maxStates = 400_000): Exploration {
  const start = createWorld(shape);
  const numbers = new Map([[keyOf(start), 0]]);
  const worlds: (World | undefined)[] = [start];
  const steps: { readonly from: number; readonly name: string }[] = [{ from: -1, name: 'start' }];
  const backwards: number[][] = [[]];
  const goals: number[] = [];
  for (let at = 0; at < worlds.length; at += 1) {
    const world = worlds[at];
    if (world === undefined) continue;
    worlds[at] = undefined;
    if (world.broken !== undefined) {
      return {
        states: worlds.length,
        isComplete: false,
        broken: `${world.broken}: ${path(steps, at)}`,
        stuck: undefined,
      };
    }
    if (isGoal(world)) goals.push(at);
    if (worlds.length > maxStates) continue;
    for (const action of actionsOf(world)) {
      const next = cloneWorld(world);
      if (action.failure !== undefined) next.spent[action.failure] += 1;
      action.apply(next);
      const key = keyOf(next);
      const known = numbers.get(key);
      const number = known ?? worlds.length;
      if (known === undefined) {
        numbers.set(key, number);
        worlds.push(next);
        steps.push({ from: at, name: action.name });
        backwards.push([]);
      }
      if (action.failure === undefined) backwards[number]?.push(at);
    }
  }
  const isComplete = worlds.length <= maxStates;
  const stuck = isComplete ? firstStuck(backwards, goals) : undefined;
  return {
    states: worlds.length,
    isComplete,
    broken: undefined,
    stuck: stuck === undefined ? undefined : path(steps, stuck),
  };
}

function path(steps: readonly { readonly from: number; readonly name: string }[], at: number): string {
  const names: string[] = [];
  for (let i = at; i >= 0; i = steps[i]?.from ?? -1) names.unshift(steps[i]?.name ?? '?');
  return names.join('; ');
}

function firstStuck(backwards: readonly (readonly number[])[], goals: readonly number[]): number | undefined {
  const good = new Uint8Array(backwards.length);
  const queue = [...goals];
  for (const goal of goals) good[goal] = 1;
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    for (const from of backwards[at] ?? []) {
      if (good[from] === 1) continue;
      good[from] = 1;
      queue.push(from);
    }
  }
  const first = good.indexOf(0);
  return first < 0 ? undefined : first;
}

const small: WorldShape = {
  servers: 2,
  bytes: 4,
  cuts: [0, 2],
  share: 99,
  wire: 1,
  failures: noFailures,
  totalFailures: 1,
};

const shapes: [string, WorldShape][] = [
  ['redirects', { ...small, failures: { ...noFailures, redirect: 2, refuse: 1 } }],
  ['a power cut', { ...small, failures: { ...noFailures, redirect: 1, kill: 1, restart: 1 } }],
  ['a cut connection', { ...small, failures: { ...noFailures, redirect: 1, cut: 1 } }],
  ['a silent server', { ...small, failures: { ...noFailures, redirect: 1, silence: 1, heal: 1 } }],
  ['a stuck disk', { ...small, failures: { ...noFailures, redirect: 1, tenSeconds: 1 } }],
];

const deep: [string, WorldShape][] = [
  [
    'redirects of three',
    { ...small, servers: 3, failures: { ...noFailures, redirect: 2, refuse: 1, cut: 1 } },
  ],
  [
    'deaths',
    {
      ...small,
      bytes: 5,
      cuts: [0, 2, 4],
      failures: { ...noFailures, redirect: 2, kill: 1, restart: 1, cut: 1, tenSeconds: 1 },
      totalFailures: 2,
    },
  ],
];

const isDeep = process.env['HOMING_EXPLORE'] === 'deep';

describe('every state of a small world', () => {
  it.each<[string, WorldShape]>(isDeep ? [...shapes, ...deep] : shapes)(
    'loses no byte and always finds an end: %s',
    (name, shape) => {
      const startMs = performance.now();
      const found = explore(shape, isDeep ? 4_000_000 : 400_000);
      console.info(`${name}: ${found.states} states, ${Math.round(performance.now() - startMs)} ms`);
      expect(found.broken).toBeUndefined();
      expect(found.stuck).toBeUndefined();
      expect(found.isComplete).toBe(true);
    },
    isDeep ? 3_600_000 : 60_000,
  );
});
