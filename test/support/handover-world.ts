/**
 * A small world around one client's core, byte by byte: servers with a wire, a memory and a disk each, that die, come back,
 * fall silent, refuse and redirect. Time is no clock here but choices: a time limit may or may not be over.
 */
import type { ClientEffect, ClientEvent, HandoverOrder } from '../../agent/client/core-events.ts';
import { defaultClientConfig } from '../../agent/client/core-events.ts';
import type { ClientState, Phase, Session } from '../../agent/client/core-state.ts';
import { createClientState, step } from '../../agent/client/core.ts';
import type { Mark } from '../../protocol/media/scanner.ts';
import type { ServerId } from '../../protocol/identifiers.ts';

export interface WorldShape {
  readonly servers: number;
  readonly bytes: number;
  readonly cuts: readonly number[];
  readonly share: number;
  /** Tokens that a wire holds. */
  readonly wire: number;
  /** `ConnectFirst` by default. */
  readonly order?: HandoverOrder;
  /** How often each failure may happen, and all together. */
  readonly failures: Readonly<Record<Failure, number>>;
  readonly totalFailures: number;
}

export type Failure = 'kill' | 'restart' | 'cut' | 'redirect' | 'refuse' | 'silence' | 'heal' | 'tenSeconds';

type Token = { readonly kind: 'begin' | 'end' | 'byte'; readonly offset: number };

interface Connection {
  readonly server: number;
  isUp: boolean;
  wire: Token[];
  stage: 'welcomed' | 'begun' | 'ended';
  expected: number;
  durable: number;
  /** Bytes received and not yet on disk. */
  memory: number[];
}

interface Server {
  isUp: boolean;
  isSilent: boolean;
  /** Bytes on disk, as a bit set. */
  disk: number;
}

export interface World {
  readonly shape: WorldShape;
  core: ClientState;
  produced: number;
  servers: Server[];
  dials: Map<number, number>;
  connections: Map<number, Connection>;
  spent: Record<Failure, number>;
  /** Bytes that were given up and counted, as a bit set. */
  excused: number;
  isOver: boolean;
  /** The first rule that was broken. */
  broken: string | undefined;
}

export interface Action {
  readonly name: string;
  readonly failure?: Failure;
  apply(world: World): void;
}

const serverId = (index: number): ServerId => `hcsp:${String(index).padStart(22, '0')}`;
const endpointOf = (index: number) => ({ ip: '127.0.0.1', port: index + 1 });

export function createWorld(shape: WorldShape): World {
  const servers = Array.from({ length: shape.servers }, () => ({ isUp: true, isSilent: false, disk: 0 }));
  const core = createClientState(
    {
      config: { ...defaultClientConfig, name: 'default/door', order: shape.order ?? 'ConnectFirst' },
      term: 1,
      servers: servers.map((_, i) => ({ id: serverId(i), endpoints: [endpointOf(i)] })),
      shareBytes: shape.share,
      jitter: 0.5,
    },
    0,
  );
  const world: World = {
    shape,
    core,
    produced: 0,
    servers,
    dials: new Map(),
    connections: new Map(),
    spent: {
      kill: 0,
      restart: 0,
      cut: 0,
      redirect: 0,
      refuse: 0,
      silence: 0,
      heal: 0,
      tenSeconds: 0,
    },
    excused: 0,
    isOver: false,
    broken: undefined,
  };
  tell(world, { kind: 'tick' });
  const [first] = world.dials.keys();
  if (first !== undefined) connect(world, first, 0);
  return world;
}

export function cloneWorld(world: World): World {
  const { config, configured, ...core } = world.core;
  return {
    ...world,
    core: { config, configured, ...cloneOf(core) },
    servers: cloneOf(world.servers),
    dials: new Map(world.dials),
    connections: cloneOf(world.connections),
    spent: { ...world.spent },
  };
}

function cloneOf<Value>(value: Value): Value {
  if (value === null || typeof value !== 'object') return value;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a copy has its original's shape
  return copyOf(value) as Value;
}

function copyOf(value: object): unknown {
  if (Array.isArray(value)) return value.map(cloneOf);
  if (value instanceof Map) return new Map([...value].map(([key, held]) => [key, cloneOf(held)]));
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, cloneOf(held)]));
}

/** Everything that matters for what can still happen, as text. */
export function keyOf(world: World): string {
  const { core } = world;
  if (world.isOver) return `over ${world.excused} ${world.broken}`;
  return JSON.stringify([
    core.phase,
    [...core.sessions.values()].map((s) => [
      s.id,
      s.server?.id,
      s.stage,
      s.beganAt,
      s.sent,
      s.received,
      s.durable,
      s.exposedFrom,
      s.exposedTo,
    ]),
    core.ranMs,
    core.ringStart,
    core.isGapAtStart,
    core.streamed.map(({ id }) => id),
    core.unreached,
    world.produced,
    world.servers,
    [...world.dials],
    [...world.connections],
    world.spent,
    world.excused,
    world.broken,
  ]);
}

/** Told to the core; what it asks for happens at once, and what must always hold is checked. */
function tell(world: World, event: ClientEvent): void {
  const before = world.core.ringStart;
  const lostBefore = world.core.bytesLost;
  for (const effect of step(world.core, event, 0)) apply(world, effect);
  checkBytes(world, before, world.core.bytesLost - lostBefore);
  checkSessions(world);
  tidy(world);
}

function apply(world: World, effect: ClientEffect): void {
  if (effect.kind === 'dial') {
    world.dials.set(effect.session, (effect.endpoints[0]?.port ?? 1) - 1);
  } else if (effect.kind === 'begin') {
    begin(world, effect);
  } else if (effect.kind === 'end') {
    push(world, effect.session, { kind: 'end', offset: effect.offset });
  } else if (effect.kind === 'close') {
    world.dials.delete(effect.session);
    world.connections.delete(effect.session);
  } else if (effect.kind === 'stop') {
    world.isOver = true;
  }
}

function begin(world: World, effect: Extract<ClientEffect, { kind: 'begin' }>): void {
  const { session, offset, why, inject } = effect;
  if (offset < world.core.ringStart) fail(world, 'begins below the ring');
  if (inject && why !== 'gap' && !isCut(world, offset)) fail(world, `a part begins off a cut (${why})`);
  push(world, session, { kind: 'begin', offset });
}

function push(world: World, session: number, token: Token): void {
  const connection = world.connections.get(session);
  if (connection?.isUp === true) connection.wire.push(token);
}

function isCut(world: World, offset: number): boolean {
  return offset >= world.shape.bytes || world.shape.cuts.includes(offset);
}

function fail(world: World, rule: string): void {
  world.broken ??= rule;
}

/** I8: what the ring forgets is on a disk, or counted. */
function checkBytes(world: World, before: number, lost: number): void {
  const { core } = world;
  let missing = 0;
  for (let offset = before; offset < core.ringStart; offset += 1) {
    if (isOnDisk(world, offset)) continue;
    const isExposed = [...core.sessions.values()].some(
      (s) => s.exposedFrom <= offset && offset < s.exposedTo,
    );
    if (!isExposed) missing += 1;
    world.excused |= 1 << offset;
  }
  if (missing > lost) fail(world, `I8: ${missing} bytes forgotten, ${lost} counted`);
  for (let offset = 0; offset < core.ringStart; offset += 1) {
    if (!isOnDisk(world, offset) && (world.excused & (1 << offset)) === 0) fail(world, 'I8: hole');
  }
}

function isOnDisk(world: World, offset: number): boolean {
  return world.servers.some(({ disk }) => (disk & (1 << offset)) !== 0);
}

/** I4: one session that has begun and not ended, one not begun, the others only wait. */
function checkSessions(world: World): void {
  const stages = [...world.core.sessions.values()].map(({ stage }) => stage);
  const count = (stage: Session['stage']): number => stages.filter((s) => s === stage).length;
  if (count('begun') > 1) fail(world, 'I4: two sessions have begun');
  if (count('welcomed') > 1) fail(world, 'I4: two sessions wait for their begin');
}

/** Renames sessions by age and forgets what only counts or tells the time, so that the same states are the same. */
function tidy(world: World): void {
  const { core } = world;
  const ids = new Map([...core.sessions.keys()].map((id, i) => [id, i + 1]));
  const of = (id: number): number => ids.get(id) ?? 0;
  const sessions = [...core.sessions.values()].map((session) => ({
    ...session,
    id: of(session.id),
    giveUpRanMs: Infinity,
    lastLineRanMs: core.ranMs,
    // Where the ring is small, time enough to be judged.
    begunRanMs: core.ranMs - 2000,
    sends: { points: [] },
  }));
  core.sessions.clear();
  for (const session of sessions) core.sessions.set(session.id, session);
  core.nextSession = sessions.length + 1;
  core.phase = tidyPhase(core.phase, of);
  Object.assign(core, { pending: undefined, handovers: 0, framesLost: 0, framesRepeated: 0 });
  Object.assign(core, { bytesLost: 0, lastHandover: undefined, rankMoves: [], lagMoveAfterRanMs: 0 });
  core.holds.clear();
  core.times.points = [];
  world.dials = renamed(world.dials, of);
  world.connections = renamed(world.connections, of);
}

function renamed<Value>(map: Map<number, Value>, of: (id: number) => number): Map<number, Value> {
  return new Map([...map].map(([id, value]) => [of(id), value]));
}

function tidyPhase(phase: Phase, of: (id: number) => number): Phase {
  if (phase.name === 'stopped') return phase;
  if (phase.name === 'lost') {
    const { search } = phase;
    const dialing = search.dialing.map(of);
    return { ...phase, search: { ...search, dialing, round: Math.min(search.round, 1) } };
  }
  const current = of(phase.current);
  return 'target' in phase ? { ...phase, current, target: of(phase.target) } : { ...phase, current };
}

/** All that can happen next. */
export function actionsOf(world: World): Action[] {
  if (world.isOver) return [];
  const { core } = world;
  const actions: Action[] = [];
  if (world.produced < world.shape.bytes) actions.push({ name: 'source makes a byte', apply: produce });
  for (const session of core.sessions.values()) actions.push(...sessionActions(world, session));
  world.servers.forEach((server, index) => actions.push(...serverActions(server, index)));
  actions.push(...timeActions(core));
  return actions.filter(({ failure }) => failure === undefined || isAllowed(world, failure));
}

function isAllowed(world: World, failure: Failure): boolean {
  const total = Object.entries(world.spent).filter(([name]) => name !== 'redirect' && name !== 'heal');
  const isBounded = failure === 'redirect' || failure === 'heal';
  const sum = total.reduce((all, [, count]) => all + count, 0);
  if (!isBounded && sum >= world.shape.totalFailures) return false;
  return world.spent[failure] < world.shape.failures[failure];
}

function produce(world: World): void {
  const offset = world.produced;
  const marks: Mark[] = [{ kind: 'pes', offset, pid: 1, isVideo: true }];
  if (isCut(world, offset)) marks.push({ kind: 'cut', offset, quality: 'idr' });
  world.produced += 1;
  tell(world, { kind: 'produced', upTo: world.produced, marks, pids: [1] });
  if (world.produced === world.shape.bytes) tell(world, { kind: 'sourceEnded' });
}

function sessionActions(world: World, { id }: Session): Action[] {
  const dial = world.dials.get(id);
  if (dial !== undefined) return dialActions(world, id, dial);
  const connection = world.connections.get(id);
  if (connection === undefined) return [];
  const server = world.servers[connection.server];
  if (server === undefined) return [];
  return [...sendActions(world, id, connection), ...wireActions(id, connection, server)];
}

function dialActions(world: World, id: number, index: number): Action[] {
  const server = world.servers[index];
  const name = `S${index}`;
  if (server?.isUp !== true || server.isSilent) {
    return [
      {
        name: `dial of ${name} fails`,
        apply: (w) => {
          w.dials.delete(id);
          tell(w, { kind: 'dialFailed', session: id, reason: 'unreachable', detail: 'no answer' });
        },
      },
    ];
  }
  return [
    { name: `${name} welcomes`, apply: (w) => connect(w, id, index) },
    {
      name: `${name} refuses`,
      failure: 'refuse',
      apply: (w) => {
        w.dials.delete(id);
        tell(w, { kind: 'bye', session: id, reason: 'full' });
      },
    },
  ];
}

function connect(world: World, id: number, server: number): void {
  world.dials.delete(id);
  world.connections.set(id, {
    server,
    isUp: true,
    wire: [],
    stage: 'welcomed',
    expected: 0,
    durable: 0,
    memory: [],
  });
  tell(world, { kind: 'welcomed', session: id, id: serverId(server), name: `s${server}` });
}

function sendActions(world: World, id: number, connection: Connection): Action[] {
  const session = world.core.sessions.get(id);
  if (session === undefined || session.stage !== 'begun' || session.sent >= session.limit) return [];
  if (connection.wire.length >= world.shape.wire) return [];
  return [{ name: `sends byte ${session.sent} to S${connection.server}`, apply: (w) => send(w, id) }];
}

function send(world: World, id: number): void {
  const offset = world.core.sessions.get(id)?.sent ?? 0;
  if (offset < world.core.ringStart) fail(world, 'sends below the ring');
  push(world, id, { kind: 'byte', offset });
  tell(world, { kind: 'sent', session: id, upTo: offset + 1 });
}

function wireActions(id: number, connection: Connection, server: Server): Action[] {
  const name = `S${connection.server}`;
  const actions: Action[] = [];
  if (!connection.isUp || server.isSilent) {
    const how = connection.isUp ? 'silent' : 'reset';
    actions.push({ name: `client sees ${name} ${how}`, apply: (w) => close(w, id) });
  }
  if (!connection.isUp) return actions;
  const [token] = connection.wire;
  if (token !== undefined) {
    actions.push({ name: `${name} receives ${token.kind} ${token.offset}`, apply: (w) => receive(w, id) });
  }
  if (connection.memory.length > 0 || connection.durable < connection.expected) {
    actions.push({ name: `${name} syncs to ${connection.expected}`, apply: (w) => sync(w, id) });
  }
  if (!server.isSilent) actions.push(...lineActions(id, connection));
  actions.push({
    name: `connection to ${name} cut`,
    failure: 'cut',
    apply: (w) => breakConnection(w, id),
  });
  return actions;
}

function close(world: World, id: number): void {
  world.connections.delete(id);
  tell(world, { kind: 'closed', session: id, how: 'reset', detail: 'gone' });
}

function receive(world: World, id: number): void {
  const connection = world.connections.get(id);
  const token = connection?.wire.shift();
  if (connection === undefined || token === undefined) return;
  if (token.kind === 'begin') receiveBegin(connection, token.offset);
  else if (connection.expected !== token.offset) fail(world, `a hole before ${token.kind} ${token.offset}`);
  if (token.kind === 'end') connection.stage = 'ended';
  if (token.kind !== 'byte') return;
  if (connection.stage !== 'begun') fail(world, 'a byte outside begin and end');
  connection.memory.push(token.offset);
  connection.expected = token.offset + 1;
}

/** Where a part goes on at its end, nothing is reset. */
function receiveBegin(connection: Connection, offset: number): void {
  if (connection.stage === 'welcomed' || connection.expected !== offset) {
    connection.expected = offset;
    connection.durable = offset;
  }
  connection.stage = 'begun';
}

function sync(world: World, id: number): void {
  const connection = world.connections.get(id);
  const server = connection === undefined ? undefined : world.servers[connection.server];
  if (connection === undefined || server === undefined) return;
  for (const offset of connection.memory) server.disk |= 1 << offset;
  connection.memory = [];
  connection.durable = connection.expected;
}

function lineActions(id: number, connection: Connection): Action[] {
  const name = `S${connection.server}`;
  const { expected: received, durable } = connection;
  if (connection.stage === 'welcomed') return [];
  return [
    {
      name: `ack ${received} ${durable} of ${name} arrives`,
      apply: (w) => tell(w, { kind: 'acked', session: id, received, durable }),
    },
  ];
}

function breakConnection(world: World, id: number): void {
  const connection = world.connections.get(id);
  if (connection === undefined) return;
  connection.isUp = false;
  connection.wire = [];
  connection.memory = [];
}

function serverActions(server: Server, index: number): Action[] {
  const name = `S${index}`;
  const actions: Action[] = [];
  if (server.isUp) {
    actions.push({ name: `${name} loses power`, failure: 'kill', apply: (w) => kill(w, index) });
  } else {
    actions.push({
      name: `${name} is back`,
      failure: 'restart',
      apply: (w) => setServer(w, index, { isUp: true }),
    });
  }
  const isSilent = !server.isSilent;
  if (server.isUp) {
    actions.push({
      name: isSilent ? `${name} falls silent` : `${name} is heard again`,
      failure: isSilent ? 'silence' : 'heal',
      apply: (w) => setServer(w, index, { isSilent }),
    });
    actions.push({ name: `redirect to ${name}`, failure: 'redirect', apply: (w) => redirect(w, index) });
  }
  return actions;
}

function setServer(world: World, index: number, change: Partial<Server>): void {
  const server = world.servers[index];
  if (server !== undefined) Object.assign(server, change);
}

function kill(world: World, index: number): void {
  setServer(world, index, { isUp: false, isSilent: false });
  for (const [id, { server }] of world.connections) if (server === index) breakConnection(world, id);
}

function redirect(world: World, index: number): void {
  const { phase } = world.core;
  if (!('current' in phase)) return;
  const connection = world.connections.get(phase.current);
  const server = connection === undefined ? undefined : world.servers[connection.server];
  if (connection?.isUp !== true || server?.isSilent !== false) return;
  tell(world, {
    kind: 'redirect',
    session: phase.current,
    redirect: {
      kind: 'redirect',
      to: 'ab:*',
      from: serverId(connection.server),
      target: { id: serverId(index), address: endpointOf(index) },
      features: [],
      also: [],
      why: 'drain',
    },
  });
}

function timeActions(core: ClientState): Action[] {
  const { phase } = core;
  if (phase.name === 'waitDurable' || phase.name === 'tail') {
    const ranMs = phase.forceRanMs;
    return [{ name: 'ten seconds are over', failure: 'tenSeconds', apply: (w) => passTime(w, ranMs) }];
  }
  if (phase.name === 'lost') {
    return [{ name: 'the next of the list is due', apply: passSearchPause }];
  }
  return [];
}

function passTime(world: World, ranMs: number): void {
  world.core.ranMs = ranMs;
  for (const session of world.core.sessions.values()) session.lastLineRanMs = ranMs;
  tell(world, { kind: 'tick' });
}

function passSearchPause(world: World): void {
  const { phase } = world.core;
  if (phase.name === 'lost') phase.search.nextRanMs = world.core.ranMs;
  tell(world, { kind: 'tick' });
}

/** Nothing more to come: all is safe and said, or there is nobody left to take it. */
export function isGoal(world: World): boolean {
  return world.isOver || !world.servers.some(({ isUp, isSilent }) => isUp && !isSilent);
}
