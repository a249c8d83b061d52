/** Clients and their sessions here: who is welcomed, who replaces whom. */
import type { ByeReason } from '../../protocol/documents.ts';
import { compareCodePoints } from '../../protocol/identifiers.ts';
import type { ServerEvent, SessionNumber } from './core-events.ts';
import { takeRefused } from './core-refusals.ts';
import { type Client, type SessionPhase, type Turn, isDraining, isStreaming } from './core-state.ts';

type Hello = Extract<ServerEvent, { kind: 'hello' }>;
type Refused = Extract<ServerEvent, { kind: 'refused' }>;

/** Our choice: a few streams, each with one session that streams and two that end. */
const maxSessionsOfClient = 12;

/** Welcomes a client or says why not. Nobody is welcomed beyond max; who has a place here takes its own. */
export function takeHello(turn: Turn, hello: Hello): void {
  const { state } = turn;
  const known = state.clients.get(hello.connect.from);
  const bye = findBye(turn, hello, known);
  if (bye !== undefined) {
    turn.effects.push({ kind: 'bye', session: hello.session, ...bye });
    return;
  }
  const isSame =
    known !== undefined && known.term === hello.connect.term && known.spkiSha256 === hello.spkiSha256;
  if (known !== undefined && !isSame) {
    dismiss(turn, known, 'replaced', hello.connect.term);
  }
  welcome(turn, hello, isSame ? known : createClient(turn, hello));
}

/** The client said `begin` or `end`. */
export function takePhase(turn: Turn, number: SessionNumber, phase: SessionPhase): void {
  const client = clientOf(turn, number);
  const session = client?.sessions.get(number);
  if (client === undefined || session === undefined) return;
  const isFirst = phase === 'streaming' && !isStreaming(client);
  session.phase = phase;
  if (phase === 'streaming') keepNewest(turn, client, session.stream);
  if (!isStreaming(client)) client.redirect = undefined;
  if (isFirst) {
    turn.effects.push({ kind: 'serves', serves: { kind: 'serves', client: client.id, term: client.term } });
  }
  turn.state.isDirty = true;
}

/**
 * A client streams on one session: an older one is one that it has given up without our knowing, or a copy's with the same
 * key and term (one image on two machines whose clocks are behind). The newest is by its hello: what it said on a connection
 * that it gave up may still arrive later.
 */
function keepNewest(turn: Turn, client: Client, stream: string): void {
  const streaming = [...client.sessions.values()].filter(
    (session) => session.stream === stream && session.phase === 'streaming',
  );
  const newest = Math.max(...streaming.map(({ number }) => number));
  for (const { number } of streaming) {
    if (number === newest) continue;
    turn.effects.push({ kind: 'bye', session: number, reason: 'replaced', term: client.term });
    forgetSession(turn, client, number);
  }
}

/** A client says why it did not go. */
export function takeClientRefused(turn: Turn, { session, refused }: Refused): void {
  const client = clientOf(turn, session);
  if (client !== undefined) takeRefused(turn, client, refused);
}

/** The session is over; with the last one its client's place is free. */
export function takeGone(turn: Turn, number: SessionNumber, reason: string): void {
  const client = clientOf(turn, number);
  if (client === undefined) return;
  forgetSession(turn, client, number);
  if (client.sessions.size === 0) leave(turn, client, reason);
  else if (!isStreaming(client)) client.redirect = undefined;
}

/** Sends a client away on all its sessions. */
export function dismiss(turn: Turn, client: Client, reason: ByeReason, term?: number): void {
  for (const number of client.sessions.keys()) {
    turn.effects.push({ kind: 'bye', session: number, reason, ...(term === undefined ? {} : { term }) });
    forgetSession(turn, client, number);
  }
  leave(turn, client, reason);
}

interface ByeSaying {
  readonly reason: ByeReason;
  readonly term?: number;
}

function findBye(
  { state }: Turn,
  { connect, name, spkiSha256 }: Hello,
  known: Client | undefined,
): ByeSaying | undefined {
  if (state.config.suspendedClients.has(name)) return { reason: 'suspended' };
  if (known !== undefined) {
    const isBeaten = isOlder({ term: connect.term, spkiSha256 }, known);
    return isBeaten ? { reason: 'replaced', term: known.term } : undefined;
  }
  if (isDraining(state)) return { reason: 'draining' };
  return state.clients.size >= state.config.max ? { reason: 'full' } : undefined;
}

/** A lower term, or an equal one with a key of a lower hash: two machines with one certificate's name settle without us. */
function isOlder(a: Pick<Client, 'term' | 'spkiSha256'>, b: Pick<Client, 'term' | 'spkiSha256'>): boolean {
  if (a.term !== b.term) return a.term < b.term;
  return compareCodePoints(a.spkiSha256, b.spkiSha256) < 0;
}

function createClient({ state, nowMs }: Turn, { connect, name, spkiSha256 }: Hello): Client {
  const client: Client = {
    id: connect.from,
    name,
    spkiSha256,
    term: connect.term,
    sessions: new Map(),
    wishes: { requires: [], weights: {}, mode: 'Best' },
    moveAfterMs: nowMs,
    redirect: undefined,
  };
  state.clients.set(client.id, client);
  return client;
}

function welcome(turn: Turn, { session, connect }: Hello, client: Client): void {
  const { state, effects, nowMs } = turn;
  const [oldest] = client.sessions.keys();
  if (client.sessions.size >= maxSessionsOfClient && oldest !== undefined) {
    effects.push({ kind: 'bye', session: oldest, reason: 'error' });
    forgetSession(turn, client, oldest);
  }
  client.wishes = { requires: connect.requires, weights: connect.weights, mode: connect.mode };
  client.moveAfterMs = nowMs + connect.moveAfterMs;
  client.sessions.set(session, { number: session, stream: connect.stream, phase: 'welcomed', listed: '' });
  state.clientOfSession.set(session, client.id);
  state.isDirty = true;
  effects.push({ kind: 'welcome', session });
  effects.push({ kind: 'tell', event: { event: 'welcomed', client: client.name, server: state.name } });
}

function leave({ state, effects }: Turn, client: Client, reason: string): void {
  state.clients.delete(client.id);
  state.isDirty = true;
  effects.push({ kind: 'tell', event: { event: 'left', client: client.name, server: state.name, reason } });
}

function forgetSession({ state }: Turn, client: Client, number: SessionNumber): void {
  client.sessions.delete(number);
  state.clientOfSession.delete(number);
  state.isDirty = true;
}

function clientOf({ state }: Turn, number: SessionNumber): Client | undefined {
  const id = state.clientOfSession.get(number);
  return id === undefined ? undefined : state.clients.get(id);
}
