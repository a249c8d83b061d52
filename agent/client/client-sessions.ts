/** A client's connections by session: what the core asks for goes out, what comes in becomes events. */
import type { Connect, HospDocument } from '../../protocol/documents.ts';
import type { ClientId, ServerId } from '../../protocol/identifiers.ts';
import type { MediaScanner } from '../../protocol/media/scanner.ts';
import { Connection } from './connection.ts';
import type { ClientConfig, ClientEffect, ClientEvent, HelloFacts, SessionId } from './core-events.ts';
import type { Ring } from './ring.ts';
import type { Transport } from './transport.ts';

/** The effects that are about one session. */
export type SessionEffect = Extract<ClientEffect, { session: SessionId }>;

export interface ClientSessionsOptions {
  readonly id: ClientId;
  readonly config: ClientConfig;
  readonly term: number;
  readonly transport: Transport;
  readonly ring: Ring;
  readonly scanner: MediaScanner;
  /** The client's wall clock. */
  readonly unixMs: () => number;
  readonly onEvent: (event: ClientEvent) => void;
}

export class ClientSessions {
  readonly #options: ClientSessionsOptions;
  #transport: Transport;
  readonly #connections = new Map<SessionId, Connection>();
  /** Closed by us and not gone yet. */
  readonly #closing = new Set<Connection>();
  readonly #runningOut = new WeakSet<Connection>();

  constructor(options: ClientSessionsOptions) {
    this.#options = options;
    this.#transport = options.transport;
  }

  /** Later dials go by this transport. */
  renew(transport: Transport): void {
    this.#transport = transport;
  }

  apply(effect: SessionEffect): void {
    if (effect.kind === 'dial') this.#dial(effect);
    else if (effect.kind === 'close') this.#closeConnection(effect.session, effect.how);
    else this.#say(effect);
  }

  /** Lets one connection send what it may. @returns where that one is now, or nothing where none can */
  pump(): { readonly session: SessionId; readonly upTo: number } | undefined {
    for (const [session, connection] of this.#connections) {
      if (connection.pump()) return { session, upTo: connection.cursor };
    }
    return undefined;
  }

  /** Once a second: says something where nothing was said. */
  keepAlive(): void {
    for (const connection of this.#connections.values()) connection.keepAlive();
  }

  /**
   * Judges every server's certificate again.
   *
   * @param soonMs certificates that run out before that moment (Unix) are to be replaced
   * @returns whether there is one that is still good, and was not told of before
   */
  recheck(soonMs: number): boolean {
    let runsOut = false;
    for (const connection of this.#connections.values()) {
      const { socket } = connection;
      const problem = socket === undefined ? undefined : this.#transport.recheck(socket);
      if (problem !== undefined) connection.distrust(problem);
      else if (connection.expiresAtMs < soonMs && !this.#runningOut.has(connection)) {
        this.#runningOut.add(connection);
        runsOut = true;
      }
    }
    return runsOut;
  }

  /** Closes all that is still open; resolves when nothing is. */
  async close(): Promise<void> {
    for (const id of this.#connections.keys()) this.#closeConnection(id, 'abandoned');
    await Promise.all([...this.#closing].map(({ closed }) => closed));
  }

  #say(effect: Exclude<SessionEffect, { kind: 'dial' | 'close' }>): void {
    const connection = this.#connections.get(effect.session);
    if (connection === undefined) return;
    switch (effect.kind) {
      case 'begin': {
        const { offset, why } = effect;
        const injected = effect.inject ? this.#options.scanner.preamble(offset) : new Uint8Array(0);
        connection.begin(
          { kind: 'begin', offset, why, time: Math.floor(this.#options.unixMs() - effect.ageMs) },
          injected,
        );
        return;
      }
      case 'send':
        connection.limit(effect.upTo);
        return;
      case 'end':
        connection.end(effect.offset);
        return;
      case 'refused': {
        const { id, reason, retryAfterMs } = effect;
        const retry = retryAfterMs === undefined ? {} : { retryAfterMs };
        connection.refuse({ kind: 'refused', id, reason, ...retry });
      }
    }
  }

  #dial({ session, endpoints, expectId, hello }: Extract<ClientEffect, { kind: 'dial' }>): void {
    const transport = this.#transport;
    const connection = new Connection({
      endpoints,
      dial: (endpoint, signal) => transport.dial({ endpoint, signal, ...(expectId && { expectId }) }),
      problemOf: (error) => transport.problemOf(error),
      hello: (to) => this.#hello(to, hello),
      ring: this.#options.ring,
      listener: {
        onFailed: (reason, detail) => {
          this.#connections.delete(session);
          this.#options.onEvent({ kind: 'dialFailed', session, reason, detail });
        },
        onWelcomed: ({ name }, id) => this.#options.onEvent({ kind: 'welcomed', session, id, name }),
        onDocument: (document) => this.#options.onEvent(eventOf(session, document)),
        onDrain: () => this.#options.onEvent({ kind: 'tick' }),
        onClosed: (how, detail) => {
          this.#connections.delete(session);
          this.#options.onEvent({ kind: 'closed', session, how, detail });
        },
      },
    });
    this.#connections.set(session, connection);
  }

  #hello(to: ServerId, { moveAfterMs, left, leftWhy }: HelloFacts): Connect {
    const { stream, media, requires, weights, mode } = this.#options.config;
    return {
      kind: 'connect',
      to,
      from: this.#options.id,
      stream,
      media,
      term: this.#options.term,
      requires,
      weights,
      mode,
      moveAfterMs: Math.ceil(moveAfterMs),
      ...(left === undefined ? {} : { left }),
      ...(leftWhy === undefined ? {} : { leftWhy }),
    };
  }

  #closeConnection(session: SessionId, how: 'done' | 'abandoned'): void {
    const connection = this.#connections.get(session);
    if (connection === undefined) return;
    this.#connections.delete(session);
    this.#closing.add(connection);
    void connection.closed.then(() => this.#closing.delete(connection));
    connection.close(how);
  }
}

/** What a server's line means to the core. */
function eventOf(session: SessionId, document: HospDocument): ClientEvent {
  if (document.kind === 'ack') {
    return { kind: 'acked', session, received: document.received, durable: document.durable };
  }
  if (document.kind === 'redirect') return { kind: 'redirect', session, redirect: document };
  if (document.kind === 'peers') return { kind: 'peers', session, servers: document.servers };
  if (document.kind !== 'bye') return { kind: 'alive', session };
  const term = document.term === undefined ? {} : { term: document.term };
  return { kind: 'bye', session, reason: document.reason, ...term };
}
