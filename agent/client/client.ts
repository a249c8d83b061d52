/** A client: one source, through a ring, over connections to whichever server its core decides. */
import type { MediaType } from '../../protocol/documents.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import { type ClientId, isClientId } from '../../protocol/identifiers.ts';
import type { MediaScanner } from '../../protocol/media/scanner.ts';
import { ConfigError } from '../../crds/config-error.ts';
import type { EmitEvent } from '../events.ts';
import type { StreamAddress } from '../sinks/sink.ts';
import type { Source, SourceListener } from '../sources/source.ts';
import type { Identity } from '../../tls/identity.ts';
import { ClientSessions } from './client-sessions.ts';
import type { Candidate, ClientConfig, ClientEffect, ClientEvent, ClientStatus } from './core-events.ts';
import { fromReference } from './core-servers.ts';
import type { ClientState } from './core-state.ts';
import { clientStatus, isUnserved, undurablePart } from './core-status.ts';
import { createClientState, nextTerm, step } from './core.ts';
import { Ring } from './ring.ts';
import type { RingBudget } from './ring-budget.ts';
import type { SavedClient } from './saved-client.ts';
import { type Transport, type TrustView, createTransport } from './transport.ts';

export interface ClientOptions {
  /** A client's certificate; its name is what recordings go by. */
  readonly identity: Identity;
  readonly trust: TrustView;
  readonly config: ClientConfig;
  /** Configured servers, best first; those that were saved come behind them. */
  readonly servers: readonly Endpoint[];
  /** Tells of servers that are announced, for clients that discover. */
  readonly discover?: (onServer: (server: Candidate) => void) => { close(): Promise<void> };
  /** Opens the source; the address says under which term its bytes go. */
  readonly openSource: (listener: SourceListener, address: StreamAddress) => Source;
  readonly scannerFor: (media: MediaType) => MediaScanner;
  readonly ringBudget: RingBudget;
  readonly saved: SavedClient;
  readonly onSave: (saved: SavedClient) => void;
  readonly emit: EmitEvent;
}

export type ClientEnd = 'finished' | 'replaced' | 'closed';

export interface RunningClient {
  status(): ClientStatus;
  /** Resolves when it ends by itself: the source ended and all is durable, or a higher term took its place. */
  readonly ended: Promise<ClientEnd>;
  /** Goes on with another certificate of the same key, by a handover to the same server. */
  renew(identity: Identity): void;
  /** Stops the source, gives the server, if one takes its bytes, 5 s to make the rest durable, and closes everything. */
  close(): Promise<void>;
}

const keepAliveMs = 1000;
const recheckMs = 3_600_000;
const closeGraceMs = 5000;
const closeLookMs = 100;
/** A source that can wait does so while this part of the share is not durable, until it is half of that. */
const pauseShare = 0.5;

/**
 * Starts a client of one stream; it looks for a server for ever.
 *
 * @throws ConfigError where the certificate is not a client's
 */
export function openClient(options: ClientOptions): RunningClient {
  return new ClientRun(options);
}

class ClientRun implements RunningClient {
  readonly #options: ClientOptions;
  readonly #core: ClientState;
  readonly #ring = new Ring();
  readonly #scanner: MediaScanner;
  readonly #sessions: ClientSessions;
  readonly #queue: ClientEvent[] = [];
  #isStepping = false;
  #wakeTimer: NodeJS.Timeout | undefined;
  readonly #timers: NodeJS.Timeout[];
  readonly #source: Source;
  #isPaused = false;
  #saved: SavedClient;
  readonly #share: { leave(): void };
  readonly #discovery: { close(): Promise<void> } | undefined;
  readonly #stopRechecks: () => void;
  readonly #ended = Promise.withResolvers<ClientEnd>();
  #closed: Promise<void> | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    const { config, saved, ringBudget, servers } = options;
    this.#saved = { ...saved, term: nextTerm(saved.term, Date.now()) };
    options.onSave(this.#saved);
    this.#scanner = options.scannerFor(config.media);
    const { term } = this.#saved;
    this.#sessions = new ClientSessions({
      id: clientIdOf(options.identity),
      config,
      term,
      transport: this.#transport(options.identity),
      ring: this.#ring,
      scanner: this.#scanner,
      unixMs: () => Date.now(),
      onEvent: (event) => this.#take(event),
    });
    const candidates = listServers(servers, saved);
    const start = { config, term, servers: candidates, shareBytes: Infinity, jitter: Math.random() };
    this.#core = createClientState(start, performance.now());
    this.#share = ringBudget.join((bytes) => this.#take({ kind: 'share', bytes }));
    this.#timers = [
      setInterval(() => this.#sessions.keepAlive(), keepAliveMs),
      setInterval(() => this.#recheck(), recheckMs),
    ];
    this.#stopRechecks = options.trust.onChange(() => this.#recheck());
    this.#discovery = options.discover?.((server) => this.#take({ kind: 'heard', server }));
    const { name, stream, media } = config;
    this.#source = options.openSource(this.#sourceListener(), { name, stream, term, media });
    this.#take({ kind: 'tick' });
  }

  get ended(): Promise<ClientEnd> {
    return this.#ended.promise;
  }

  status(): ClientStatus {
    return clientStatus(this.#core);
  }

  renew(identity: Identity): void {
    this.#sessions.renew(this.#transport(identity));
    this.#take({ kind: 'renewed' });
  }

  /** A server whose certificate runs out before the look after the next has a newer one, if all is well: we go over to it. */
  #recheck(): void {
    if (this.#sessions.recheck(Date.now() + 2 * recheckMs)) this.#take({ kind: 'renewed' });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#source.close();
    this.#take({ kind: 'sourceEnded' });
    const looking = setInterval(() => {
      if (isUnserved(this.#core)) this.#ended.resolve('closed');
    }, closeLookMs);
    this.#timers.push(looking);
    const grace = AbortSignal.timeout(closeGraceMs);
    grace.addEventListener('abort', () => this.#ended.resolve('closed'));
    if ((await this.#ended.promise) === 'closed') this.#tellUndelivered();
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#wakeTimer);
    this.#stopRechecks();
    this.#share.leave();
    await this.#discovery?.close();
    await this.#sessions.close();
  }

  #tellUndelivered(): void {
    const { produced, durable, name: client } = clientStatus(this.#core);
    if (produced === durable) return;
    const message = `stopped with ${produced - durable} bytes that no server has made durable`;
    this.#options.emit({ event: 'warning', reason: 'Undelivered', client, message });
  }

  #transport(identity: Identity): Transport {
    return createTransport(identity, this.#options.trust, () => Date.now());
  }

  #sourceListener(): SourceListener {
    const client = this.#options.config.name;
    return {
      onRestart: () => {
        this.#scanner.restart(this.#ring.end);
        this.#take({ kind: 'restarted' });
      },
      onBytes: (bytes) => {
        this.#ring.push(bytes);
        const marks = this.#scanner.push(bytes);
        const pids = this.#scanner.elementaryPids;
        this.#take({ kind: 'produced', upTo: this.#ring.end, marks, pids });
      },
      onState: (state) => this.#options.emit({ event: 'source', client, ...state }),
      onEnd: () => this.#take({ kind: 'sourceEnded' }),
    };
  }

  /** One event after the other, whatever calls back into us meanwhile. */
  #take(event: ClientEvent): void {
    this.#queue.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        this.#step(next);
        this.#pump();
      }
    } finally {
      this.#isStepping = false;
    }
    this.#paceSource();
  }

  /** What was sent is told before anything else: the core must never think that less was. */
  #pump(): void {
    for (let sent = this.#sessions.pump(); sent !== undefined; sent = this.#sessions.pump()) {
      this.#step({ kind: 'sent', ...sent });
    }
  }

  #step(event: ClientEvent): void {
    for (const effect of step(this.#core, event, performance.now())) this.#apply(effect);
  }

  #apply(effect: ClientEffect): void {
    if ('session' in effect) {
      this.#sessions.apply(effect);
      return;
    }
    switch (effect.kind) {
      case 'free':
        this.#ring.free(effect.upTo);
        return;
      case 'wake':
        this.#wakeAt(effect.atMs);
        return;
      case 'tell':
        this.#options.emit(effect.event);
        return;
      case 'remember':
        this.#saved = { ...this.#saved, servers: effect.servers };
        this.#options.onSave(this.#saved);
        return;
      case 'stop':
        this.#stop(effect);
    }
  }

  #stop({ reason, term }: Extract<ClientEffect, { kind: 'stop' }>): void {
    clearTimeout(this.#wakeTimer);
    if (reason === 'replaced') {
      const message =
        term === undefined
          ? 'another client with our identity took our place'
          : `term ${term} took our place`;
      this.#options.emit({
        event: 'warning',
        reason: 'replaced',
        client: this.#options.config.name,
        message,
      });
      void this.#source.close();
    }
    this.#ended.resolve(reason);
  }

  #wakeAt(atMs: number): void {
    clearTimeout(this.#wakeTimer);
    this.#wakeTimer = setTimeout(() => this.#take({ kind: 'tick' }), Math.max(0, atMs - performance.now()));
  }

  /** A source that can wait waits while much is not durable: nothing of a file or pipe is ever given up. */
  #paceSource(): void {
    const isPaused = undurablePart(this.#core) > (this.#isPaused ? pauseShare / 2 : pauseShare);
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    this.#source.setPaused?.(isPaused);
  }
}

function listServers(servers: readonly Endpoint[], saved: SavedClient): Candidate[] {
  const configured = servers.map((endpoint) => ({ endpoints: [endpoint] }));
  return [...configured, ...saved.servers.map(fromReference)];
}

function clientIdOf({ leaf }: Identity): ClientId {
  if (leaf.role === 'client' && isClientId(leaf.id)) return leaf.id;
  throw new ConfigError(
    `the certificate of ${leaf.name} is a ${leaf.role}'s: a client's is made by homing ca issue --client`,
  );
}
