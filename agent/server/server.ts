/** A home server: its core on real sockets. Maps what happens to events and effects to what is done; decides nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { maxDatagramBytes } from '../../protocol/announcements.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import { within } from '../clock.ts';
import type { EmitEvent } from '../events.ts';
import type { Sink, SinkListener } from '../sinks/sink.ts';
import type { Identity } from '../../tls/identity.ts';
import type { LiveTrust } from '../trust-directory.ts';
import type { SavedServer, ServerConfig, ServerStatus } from './core-events.ts';
import { serverStatus } from './core-status.ts';
import type { ServerHands } from './server-effects.ts';
import { type ServerParts, openParts } from './server-parts.ts';
import type { SessionStatus } from './session-book.ts';

/** Opens a sink that tells this server of its health and of what is durable. */
export type SinkOpener = (listener: SinkListener) => Promise<Sink>;

export interface ServerOptions {
  readonly identity: Identity;
  readonly trust: LiveTrust;
  readonly config: ServerConfig;
  /** At most one of a kind; the server closes them. */
  readonly sinks: readonly SinkOpener[];
  /** What `onSave` was given before a restart, as it was found. */
  readonly saved: unknown;
  onSave(saved: SavedServer): void;
  readonly emit: EmitEvent;
  /** How long a sink must work again before its feature comes back; 60 s by default. */
  readonly sinkHealthMs?: number;
}

export interface RunningServerStatus extends ServerStatus {
  readonly port: number;
  readonly endpoints: readonly Endpoint[];
  readonly sessions: readonly SessionStatus[];
  /** What was dropped since the start, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
}

export interface RunningServer {
  readonly port: number;
  /** Where it is reached on each network that it announces on. */
  readonly endpoints: readonly Endpoint[];
  status(): RunningServerStatus;
  configure(config: ServerConfig): void;
  /** A renewed certificate of the same key and identifier. */
  setIdentity(identity: Identity): void;
  /** Sends the clients elsewhere; resolves when they are gone or have nowhere to go, after 50 s at the latest. */
  drain(): Promise<void>;
  /**
   * Says `max="0"` and `bye stopped`, and closes everything. Takes up to 3 s where a client does not answer its `bye`, and 2 s more
   * where a peer does not close either.
   */
  close(): Promise<void>;
}

/**
 * Starts a server.
 *
 * @throws Error where a port, a sink or UDP 17320 cannot be had; nothing is left open then
 */
export async function openServer(options: ServerOptions): Promise<RunningServer> {
  await using stack = new AsyncDisposableStack();
  const parts = await openParts(options, stack);
  const server = new Server(options, parts);
  server.start(stack.move());
  return server;
}

/** How long clients and peers may take to close, before what is left is closed without them. */
const closeTimeoutMs = 3000;
/** The last words, three times: a datagram may be lost. */
const lastWordsAfterMs: readonly number[] = [0, 50, 100];

class Server implements RunningServer {
  readonly #options: ServerOptions;
  readonly #parts: ServerParts;
  readonly #finished = Promise.withResolvers<void>();
  #config: ServerConfig;
  #stack: AsyncDisposableStack | undefined;
  #isTooLargeTold = false;

  constructor(options: ServerOptions, parts: ServerParts) {
    this.#options = options;
    this.#parts = parts;
    this.#config = options.config;
  }

  start(stack: AsyncDisposableStack): void {
    this.#stack = stack;
    this.#parts.loop.start(this.#makeHands());
    this.#parts.peerAddresses.set(this.#config.peers);
  }

  get port(): number {
    return this.#parts.listener.port;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#parts.hearing.interfaces().map(({ address }) => ({ ip: address, port: this.port }));
  }

  status(): RunningServerStatus {
    const { state, sessions, drops } = this.#parts;
    return {
      ...serverStatus(state, performance.now()),
      port: this.port,
      endpoints: this.endpoints,
      sessions: sessions.status(),
      dropped: drops.counts,
    };
  }

  configure(config: ServerConfig): void {
    if (config.listenPort !== this.#config.listenPort) {
      const message = `port ${config.listenPort} is listened on after a restart`;
      this.#options.emit({ event: 'warning', reason: 'RestartNeeded', message });
    }
    this.#config = config;
    this.#parts.hearing.select(config);
    this.#parts.peerAddresses.set(config.peers);
    this.#parts.loop.dispatch({ kind: 'configure', config });
  }

  setIdentity(identity: Identity): void {
    const { announcer, links, listener } = this.#parts;
    for (const part of [announcer, links, listener]) part.setIdentity(identity);
    links.announce();
  }

  async drain(): Promise<void> {
    this.#parts.loop.dispatch({ kind: 'shutdown' });
    await this.#finished.promise;
  }

  async close(): Promise<void> {
    const stack = this.#stack;
    if (stack === undefined) return;
    this.#stack = undefined;
    const { loop, sessions, links, listener } = this.#parts;
    loop.stop();
    listener.close();
    const saying = this.#sayGone();
    await within(Promise.all([saying, sessions.close()]), closeTimeoutMs);
    await within(links.close('stopped'), closeTimeoutMs);
    await stack.disposeAsync();
    this.#finished.resolve();
  }

  /** The core decides nothing any more: what it announced last, with room for nobody. */
  async #sayGone(): Promise<void> {
    const { announcer, links } = this.#parts;
    const { facts } = announcer;
    if (facts === undefined || facts.max === 0) return;
    const { boot, seq } = facts.order;
    announcer.setFacts({ ...facts, max: 0, order: { boot, seq: seq + 1 } });
    links.announce();
    for (const afterMs of lastWordsAfterMs) {
      await sleep(afterMs);
      this.#sendToGroup();
    }
  }

  #makeHands(): ServerHands {
    const { announcer, drops, hearing, links, loop, sessions } = this.#parts;
    return {
      announce: ({ facts, onLinks }) => {
        announcer.setFacts(facts);
        this.#sendToGroup();
        if (onLinks) links.announce();
      },
      call: (peer) => links.introduce(peer),
      forget: ({ id }) => links.forget(id),
      linkedLeafs: ({ spkiSha256 }) => hearing.setLinked(spkiSha256),
      serves: ({ serves }) => links.sayToAll(serves),
      welcome: ({ session }) => sessions.welcome(session),
      bye: ({ session, reason, term }) => sessions.bye(session, reason, term),
      peers: ({ session, servers }) => sessions.tellPeers(session, servers),
      redirect: ({ sessions: numbers, redirect }) => sessions.redirect(numbers, redirect),
      dropped: ({ reason, from }) => drops.note({ reason, detail: `from ${from}`, from }, performance.now()),
      wake: ({ atMs }) => loop.wakeAt(atMs),
      save: ({ saved }) => this.#options.onSave(saved),
      tell: ({ event }) => this.#options.emit(event),
      finished: () => this.#finished.resolve(),
    };
  }

  #sendToGroup(): void {
    if (!this.#config.isAnnounced) return;
    this.#parts.hearing.send((announced) => {
      const message = this.#parts.announcer.forInterface(announced);
      const limit = announced.ipv4 === undefined ? maxDatagramBytes.ipv6 : maxDatagramBytes.ipv4;
      if (message === undefined || message.length <= limit) return message;
      this.#tellTooLarge(message.length, limit);
      return undefined;
    });
  }

  #tellTooLarge(bytes: number, limit: number): void {
    if (this.#isTooLargeTold) return;
    this.#isTooLargeTold = true;
    const message = `an announcement of ${bytes} bytes fits no datagram (${limit}): it is made on links only, to peers that are configured`;
    this.#options.emit({ event: 'warning', reason: 'AnnouncementTooLarge', message });
  }
}
