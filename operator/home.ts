/** The home as the operator sees it: looks at all of it whenever something changed, has statuses written and agents told. */
import type { Snapshot, TrustTexts } from '../crds/operator-messages.ts';
import { claimantOf } from './reconcile/duplicates.ts';
import type { Hearing } from './reconcile/hearing.ts';
import { decidePass, type Pass, type StatusDecision } from './reconcile/pass.ts';
import { isInvalid, readCameraClient, readHomeServer, readNode } from './reconcile/resource-reading.ts';
import type { AgentView, CredentialProblem, InvalidResource, World } from './reconcile/world.ts';
import { makeSnapshot, type SnapshotParts } from './specs/snapshot.ts';

/** Objects as the API server gives them. */
export interface RawHome {
  readonly homeServers: readonly object[];
  readonly cameraClients: readonly object[];
  readonly nodes: readonly object[];
}

export interface HomeOptions {
  readonly raw: () => RawHome;
  readonly agents: () => ReadonlyMap<string, AgentView>;
  /** Names of those who are connected now: each gets a snapshot. */
  readonly sessions: () => readonly string[];
  readonly credentials: () => {
    readonly secrets: ReadonlyMap<string, object>;
    readonly problems: ReadonlyMap<string, CredentialProblem>;
  };
  readonly trust: () => TrustTexts | undefined;
  readonly keysInUse: () => ReadonlyMap<string, string>;
  readonly startedMs: () => number;
  readonly write: (decision: StatusDecision) => void;
  readonly send: (name: string, snapshot: Omit<Snapshot, 'revision'>) => void;
  /** After each look. */
  readonly onPass: (pass: Pass, milliseconds: number) => void;
  /** A look that failed: our own mistake, tried again after a while. */
  readonly onFailure: (error: unknown) => void;
}

export interface Home {
  /** Something changed: look again soon. */
  notify(): void;
  /** The last look. */
  readonly last: Pass | undefined;
  close(): void;
}

/** What changes together is looked at once. */
const gatherMs = 100;
/** A big home is looked at less often: looking costs a tenth of the time at most. */
const restPerLook = 10;
const afterFailureMs = 5000;

/** Opens it; the first look is at the first `notify`. */
export function openHome(options: HomeOptions): Home {
  return new LookedAtHome(options);
}

class LookedAtHome implements Home {
  readonly #options: HomeOptions;
  readonly #reading = createReading();
  #hearing: Hearing = new Map();
  #soon: NodeJS.Timeout | undefined;
  #due: NodeJS.Timeout | undefined;
  #isClosed = false;
  #tookMs = 0;
  last: Pass | undefined;

  constructor(options: HomeOptions) {
    this.#options = options;
  }

  notify(): void {
    if (this.#isClosed) return;
    this.#soon ??= setTimeout(() => this.#try(), Math.max(gatherMs, this.#tookMs * restPerLook));
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#soon);
    clearTimeout(this.#due);
  }

  #try(): void {
    this.#soon = undefined;
    try {
      this.#lookAgainIn(this.#look());
    } catch (error) {
      this.#options.onFailure(error);
      this.#lookAgainIn(afterFailureMs);
    }
  }

  #lookAgainIn(milliseconds: number | undefined): void {
    clearTimeout(this.#due);
    if (milliseconds !== undefined && !this.#isClosed)
      this.#due = setTimeout(() => this.#try(), milliseconds);
  }

  /** When time alone will change something. */
  #look(): number | undefined {
    const options = this.#options;
    const beganMs = Date.now();
    const { world, invalid, rawByName } = readWorld(options, this.#reading, beganMs);
    const pass = decidePass(world, this.#hearing, invalid);
    this.#hearing = pass.hearing;
    this.last = pass;
    for (const decision of pass.statuses) options.write(decision);
    sendSnapshots(pass, options, rawByName);
    this.#tookMs = Date.now() - beganMs;
    options.onPass(pass, this.#tookMs);
    return pass.dueMs === undefined ? undefined : Math.max(pass.dueMs - Date.now(), 1);
  }
}

interface ReadHome {
  readonly world: World;
  readonly invalid: readonly InvalidResource[];
  readonly rawByName: SnapshotParts['raw'];
}

/** Objects of a watch stay the same until they change: each is read once. */
function createReading() {
  const servers = new WeakMap<object, ReturnType<typeof readHomeServer>>();
  const cameras = new WeakMap<object, ReturnType<typeof readCameraClient>>();
  return {
    server: (object: object) => remember(servers, object, readHomeServer),
    camera: (object: object) => remember(cameras, object, readCameraClient),
  };
}

function remember<Value>(
  known: WeakMap<object, Value>,
  object: object,
  read: (object: object) => Value,
): Value {
  const before = known.get(object);
  if (before !== undefined) return before;
  const value = read(object);
  known.set(object, value);
  return value;
}

function readWorld(options: HomeOptions, reading: ReturnType<typeof createReading>, nowMs: number): ReadHome {
  const raw = options.raw();
  const servers = raw.homeServers.map((object) => ({ object, read: reading.server(object) }));
  const cameras = raw.cameraClients.map((object) => ({ object, read: reading.camera(object) }));
  const nodes = raw.nodes.flatMap((object) => readNode(object) ?? []);
  const all = [...servers, ...cameras];
  const invalid = all.flatMap(({ read }) => (isInvalid(read) ? read : []));
  const world: World = {
    nowMs,
    startedMs: options.startedMs(),
    homeServers: servers.flatMap(({ read }) => (isInvalid(read) ? [] : read)),
    cameraClients: cameras.flatMap(({ read }) => (isInvalid(read) ? [] : read)),
    nodes: new Map(nodes.map((node) => [node.name, node])),
    agents: options.agents(),
    credentialProblems: options.credentials().problems,
    keysInUse: options.keysInUse(),
    unreadable: new Set(invalid.map(({ name }) => name)),
  };
  return {
    world,
    invalid,
    rawByName: new Map(
      all.flatMap(({ object, read }) => (isInvalid(read) ? [] : [[claimantOf(read), object] as const])),
    ),
  };
}

function sendSnapshots({ survey }: Pass, options: HomeOptions, raw: SnapshotParts['raw']): void {
  const trust = options.trust();
  if (trust === undefined) return;
  const { secrets } = options.credentials();
  for (const name of options.sessions())
    options.send(name, makeSnapshot(name, survey, { trust, secrets, raw }));
}
