/** The sessions of a server by number: what happens on them is told to the core, what the core wants is said on them. */
import type { ByeReason, Connect, Redirect, Refused, ServerReference } from '../../protocol/documents.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
import type { Sink, SinkStream } from '../sinks/sink.ts';
import type { ServerEvent, SessionNumber } from './core-events.ts';
import type { Incoming } from './listener.ts';
import type { Rechecks } from './rechecks.ts';
import { ClientSession, type SessionOwner } from './sessions.ts';

export interface SessionBookOptions {
  readonly serverId: ServerId;
  readonly sinks: readonly Sink[];
  readonly rechecks: Rechecks;
  onEvent(event: ServerEvent): void;
}

/** What status shows of a session beyond what the core knows. */
export interface SessionStatus {
  readonly client: string;
  readonly stream: string;
  readonly received: number;
  readonly durable: number;
}

export class SessionBook implements SessionOwner {
  readonly #options: SessionBookOptions;
  readonly #sessions = new Map<SessionNumber, ClientSession>();
  readonly #numbers = new Map<ClientSession, SessionNumber>();
  /** Those that are over but not closed yet, too: their last acks are still on the way. */
  readonly #open = new Set<ClientSession>();
  #last = 0;

  constructor(options: SessionBookOptions) {
    this.#options = options;
  }

  /** A verified connection of a client. */
  accept({ socket, leaf }: Incoming): void {
    const session = new ClientSession({ socket, leaf, serverId: this.#options.serverId, owner: this });
    this.#open.add(session);
    void session.closed.then(() => this.#open.delete(session));
    this.#options.rechecks.add(socket, (reason) => {
      // Denying is at once. An anchor that was removed, or a date that passed, lets what came become durable first.
      if (reason === 'denied') session.bye('untrusted');
      else session.release('untrusted');
    });
  }

  welcome(number: SessionNumber): void {
    this.#sessions.get(number)?.welcome(this.#options.sinks);
  }

  bye(number: SessionNumber, reason: ByeReason, term?: number): void {
    this.#sessions.get(number)?.bye(reason, term);
  }

  redirect(numbers: readonly SessionNumber[], redirect: Redirect): void {
    for (const number of numbers) this.#sessions.get(number)?.say(redirect);
  }

  tellPeers(number: SessionNumber, servers: readonly ServerReference[]): void {
    this.#sessions.get(number)?.tellPeers(servers);
  }

  durableRose(stream: SinkStream): void {
    for (const session of this.#open) if (session.durableRose(stream)) return;
  }

  status(): readonly SessionStatus[] {
    return [...this.#sessions.values()].map(({ leaf, connect, received, durable }) => ({
      client: leaf.name,
      stream: connect?.stream ?? '',
      received,
      durable,
    }));
  }

  /** Says `bye stopped` to all; resolves when they are closed and their files are. */
  async close(): Promise<void> {
    const open = [...this.#open];
    for (const session of open) session.bye('stopped');
    await Promise.all(open.map(({ closed }) => closed));
  }

  onHello(session: ClientSession, connect: Connect): void {
    this.#last += 1;
    const number = this.#last;
    this.#sessions.set(number, session);
    this.#numbers.set(session, number);
    const { name, spkiSha256 } = session.leaf;
    this.#options.onEvent({ kind: 'hello', session: number, connect, name, spkiSha256 });
  }

  onBegun(session: ClientSession): void {
    this.#tell(session, (number) => ({ kind: 'begun', session: number }));
  }

  onEnded(session: ClientSession): void {
    this.#tell(session, (number) => ({ kind: 'ended', session: number }));
  }

  onRefused(session: ClientSession, refused: Refused): void {
    this.#tell(session, (number) => ({ kind: 'refused', session: number, refused }));
  }

  onGone(session: ClientSession, reason: string): void {
    const number = this.#numbers.get(session);
    if (number === undefined) return;
    this.#numbers.delete(session);
    this.#sessions.delete(number);
    this.#options.onEvent({ kind: 'gone', session: number, reason });
  }

  #tell(session: ClientSession, eventOf: (number: SessionNumber) => ServerEvent): void {
    const number = this.#numbers.get(session);
    if (number !== undefined) this.#options.onEvent(eventOf(number));
  }
}
