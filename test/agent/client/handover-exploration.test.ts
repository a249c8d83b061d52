import { describe, expect, it } from 'vitest';
import type { Action, Failure, World, WorldShape } from '../../support/handover-world.ts';
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
function explore(shape: WorldShape, maxStates: number): Exploration {
  const map = new StateMap(createWorld(shape));
  for (let at = 0; at < map.size; at += 1) {
    const world = map.take(at);
    if (world.broken !== undefined) {
      const broken = `${world.broken}: ${map.path(at)}`;
      return { states: map.size, isComplete: false, broken, stuck: undefined };
    }
    if (isGoal(world)) map.goals.push(at);
    if (map.size > maxStates) break;
    for (const action of actionsOf(world)) {
      const next = cloneWorld(world);
      if (action.failure !== undefined) next.spent[action.failure] += 1;
      action.apply(next);
      map.add(next, at, action);
    }
  }
  const isComplete = map.size <= maxStates;
  return { states: map.size, isComplete, broken: undefined, stuck: isComplete ? map.stuck() : undefined };
}

/** The states that were found, how, and which lead to which without failures. */
class StateMap {
  readonly #numbers = new Map<string, number>();
  readonly #worlds: (World | undefined)[] = [];
  readonly #steps: { readonly from: number; readonly name: string }[] = [];
  readonly #backwards: number[][] = [];
  readonly goals: number[] = [];

  constructor(start: World) {
    this.add(start, -1, { name: 'start', failure: 'cut' });
  }

  get size(): number {
    return this.#worlds.length;
  }

  add(world: World, from: number, { name, failure }: Pick<Action, 'name' | 'failure'>): void {
    const key = keyOf(world);
    const number = this.#numbers.get(key) ?? this.#worlds.length;
    if (number === this.#worlds.length) {
      this.#numbers.set(key, number);
      this.#worlds.push(world);
      this.#steps.push({ from, name });
      this.#backwards.push([]);
    }
    if (failure === undefined) this.#backwards[number]?.push(from);
  }

  /** Gives a state out of hand: millions do not fit. */
  take(at: number): World {
    const world = this.#worlds[at];
    this.#worlds[at] = undefined;
    if (world === undefined) throw new Error(`state ${at} was taken before`);
    return world;
  }

  path(at: number): string {
    const names: string[] = [];
    for (let i = at; i >= 0; i = this.#steps[i]?.from ?? -1) names.unshift(this.#steps[i]?.name ?? '?');
    return names.join('; ');
  }

  /** How to come to a state from which no way leads to the end without more failures. */
  stuck(): string | undefined {
    const good = new Uint8Array(this.size);
    const queue = [...this.goals];
    for (const goal of this.goals) good[goal] = 1;
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      for (const from of this.#backwards[at] ?? []) {
        if (good[from] === 1) continue;
        good[from] = 1;
        queue.push(from);
      }
    }
    const first = good.indexOf(0);
    return first < 0 ? undefined : this.path(first);
  }
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
  ['a power cut', { ...small, failures: { ...noFailures, redirect: 1, kill: 1, restart: 1 } }],
  ['a cut connection', { ...small, bytes: 3, failures: { ...noFailures, redirect: 1, cut: 1 } }],
  ['two redirects, a refusal', { ...small, bytes: 3, failures: { ...noFailures, redirect: 2, refuse: 1 } }],
  ['a silent server', { ...small, bytes: 3, failures: { ...noFailures, redirect: 1, silence: 1, heal: 1 } }],
  [
    'the patent’s order, two redirects, a refusal',
    { ...small, bytes: 3, order: 'ReleaseFirst', failures: { ...noFailures, redirect: 2, refuse: 1 } },
  ],
  [
    'the patent’s order, a power cut',
    {
      ...small,
      bytes: 3,
      order: 'ReleaseFirst',
      failures: { ...noFailures, redirect: 2, kill: 1, restart: 1 },
    },
  ],
  ['a stuck disk', { ...small, bytes: 3, failures: { ...noFailures, redirect: 1, tenSeconds: 1 } }],
];

/** Minutes of one core: HOMING_EXPLORE=deep. */
const deep: [string, WorldShape][] = [
  [
    'redirects of three',
    { ...small, servers: 3, failures: { ...noFailures, redirect: 2, refuse: 1, cut: 1 } },
  ],
  [
    'deaths',
    {
      ...small,
      bytes: 3,
      failures: {
        ...noFailures,
        redirect: 1,
        kill: 1,
        restart: 1,
        cut: 1,
        silence: 1,
        heal: 1,
        tenSeconds: 1,
      },
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
      if (isDeep)
        console.info(`${name}: ${found.states} states, ${Math.round(performance.now() - startMs)} ms`);
      expect(found.broken).toBeUndefined();
      expect(found.stuck).toBeUndefined();
      expect(found.isComplete).toBe(true);
    },
    isDeep ? 3_600_000 : 60_000,
  );
});
