/** The parts of a server, opened in the order in which they need each other; what they hear is told to the core. */
import { type ServerId, isServerId } from '../../protocol/identifiers.ts';
import type { Sink } from '../sinks/sink.ts';
import { Announcer } from './announcer.ts';
import { CoreLoop } from './core-loop.ts';
import { parseSavedServer } from './core-saved.ts';
import type { ServerState } from './core-state.ts';
import { servedClients } from './core-status.ts';
import { createServerState } from './core.ts';
import { Drops } from './drops.ts';
import { type Hearing, openHearing } from './hearing.ts';
import { isCallable } from './interfaces.ts';
import { Links } from './links.ts';
import { type Incoming, type Listener, openListener } from './listener.ts';
import { type PeerAddresses, openPeerAddresses } from './peer-addresses.ts';
import { type Rechecks, openRechecks } from './rechecks.ts';
import type { ServerOptions } from './server.ts';
import { SessionBook } from './session-book.ts';

export interface ServerParts {
  readonly id: ServerId;
  readonly state: ServerState;
  readonly loop: CoreLoop;
  readonly drops: Drops;
  readonly sinks: readonly Sink[];
  readonly sessions: SessionBook;
  readonly links: Links;
  readonly hearing: Hearing;
  readonly listener: Listener;
  readonly peerAddresses: PeerAddresses;
  readonly announcer: Announcer;
}

/** What every host of ours says all the time: counted, and no news. */
const quietDrops: ReadonlySet<string> = new Set(['own', 'seen', 'linked-peer']);
const flushDropsMs = 1000;

interface Base {
  readonly id: ServerId;
  readonly state: ServerState;
  readonly loop: CoreLoop;
  readonly drops: Drops;
  readonly rechecks: Rechecks;
  readonly announcer: Announcer;
}

/** @param stack gets what is to be closed, also where this rejects half-way */
export async function openParts(options: ServerOptions, stack: AsyncDisposableStack): Promise<ServerParts> {
  const base = openBase(options, stack);
  const { sinks, sessions } = await openSessions(options, base, stack);
  const hearing = await openServerHearing(options, base, () => links.reconsider());
  stack.defer(() => hearing.close());
  const links = openLinks(options, base, hearing);
  const listener = await openServerListener(options, base, (incoming) => {
    if (incoming.protocol === 'hosp/1') sessions.accept(incoming);
    else links.accept(incoming);
  });
  stack.defer(() => listener.close());
  base.announcer.setPort(listener.port);
  const peerAddresses = openPeerAddresses((addresses) => links.configure(addresses));
  stack.defer(() => peerAddresses.close());
  return { ...base, sinks, sessions, hearing, links, listener, peerAddresses };
}

function openBase(options: ServerOptions, stack: AsyncDisposableStack): Base {
  const { identity, config, emit } = options;
  const { id, name } = identity.leaf;
  if (!isServerId(id)) throw new RangeError(`opening a server as ${id}: this identifies no server`);
  const saved = parseSavedServer(options.saved);
  const health = options.sinkHealthMs === undefined ? {} : { healthMs: options.sinkHealthMs };
  const start = { id, name, config, random: Math.random, ...health };
  const state = createServerState(saved === undefined ? start : { ...start, saved });
  const loop = new CoreLoop(state);
  stack.defer(() => loop.stop());
  const drops = new Drops(emit, quietDrops);
  const flushing = setInterval(() => drops.flush(performance.now()), flushDropsMs);
  stack.defer(() => clearInterval(flushing));
  const rechecks = openRechecks(options.trust);
  stack.defer(() => rechecks.close());
  return { id, state, loop, drops, rechecks, announcer: new Announcer(identity, id) };
}

async function openSessions(
  options: ServerOptions,
  { id, loop, rechecks }: Base,
  stack: AsyncDisposableStack,
) {
  const sinks: Sink[] = [];
  const sessions = new SessionBook({
    serverId: id,
    sinks,
    rechecks,
    onEvent: (event) => loop.dispatch(event),
  });
  for (const open of options.sinks) {
    const sink = await open({
      onDurable: (stream) => sessions.durableRose(stream),
      onHealth(isHealthy, message) {
        if (!isHealthy) options.emit({ event: 'warning', reason: 'SinkUnhealthy', message });
        loop.dispatch({ kind: 'health', feature: kind, isHealthy });
      },
    });
    const { kind } = sink;
    sinks.push(sink);
    stack.defer(() => sink.close());
  }
  return { sinks, sessions };
}

function openServerHearing(options: ServerOptions, base: Base, onInterfaces: () => void): Promise<Hearing> {
  const { identity, trust, config, emit } = options;
  const { loop, drops } = base;
  return openHearing({
    interfaces: config.interfaces,
    excludeInterfaces: config.excludeInterfaces,
    trust,
    ownSpkiSha256: identity.leaf.spkiSha256,
    onHeard({ subscribe, leaf: { name, spkiSha256 } }) {
      loop.dispatch({ kind: 'heard', subscribe, name, spkiSha256, via: 'multicast' });
    },
    onOwnMessage: (detail) => loop.dispatch({ kind: 'ownMessage', detail }),
    onDropped: (drop) => drops.note(drop, performance.now()),
    onInterfaces() {
      onInterfaces();
      loop.dispatch({ kind: 'addresses' });
    },
    onProblem: (message) => emit({ event: 'warning', reason: 'Multicast', message }),
  });
}

function openLinks({ identity, trust }: ServerOptions, base: Base, hearing: Hearing): Links {
  const { loop, drops, state, announcer } = base;
  return new Links({
    identity,
    trust,
    rechecks: base.rechecks,
    mayCall: ({ ip }) => isCallable(ip, hearing.interfaces()),
    announcementFor: (localAddress) => announcer.forPeer(localAddress, hearing.interfaces()),
    serves: () => servedClients(state),
    onAnnouncement({ subscribe, leaf: { name, spkiSha256 } }) {
      loop.dispatch({ kind: 'heard', subscribe, name, spkiSha256, via: 'link' });
    },
    onLinked: (peer) => loop.dispatch({ kind: 'linked', ...peer }),
    onLost: ({ id, reason }) => loop.dispatch({ kind: 'unlinked', id, reason }),
    onCalledBy: (id, isOpen) => loop.dispatch({ kind: 'calledBy', id, isOpen }),
    onDropped: (drop) => drops.note(drop, performance.now()),
  });
}

function openServerListener(
  { identity, trust, config }: ServerOptions,
  { drops }: Base,
  onConnection: (incoming: Incoming) => void,
): Promise<Listener> {
  const isOnlyLoopback = config.interfaces.length > 0 && config.interfaces.every((name) => name === 'lo');
  return openListener({
    port: config.listenPort,
    // Who is announced to this machine alone is for this machine alone.
    ...(isOnlyLoopback ? { host: '127.0.0.1' } : {}),
    identity,
    trust,
    onConnection,
    onDropped: (drop) => drops.note(drop, performance.now()),
  });
}
