/** One client's core on a stage: servers answer as a script says, time passes as it says. */
import type {
  Candidate,
  ClientConfig,
  ClientEffect,
  ClientEvent,
  SessionId,
} from '../../agent/client/core-events.ts';
import { defaultClientConfig } from '../../agent/client/core-events.ts';
import type { ClientState } from '../../agent/client/core-state.ts';
import { createClientState, step } from '../../agent/client/core.ts';
import type { RedirectWhy } from '../../protocol/documents.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
import type { Mark } from '../../protocol/media/scanner.ts';
import type { AgentEvent, Untimed } from '../../agent/events.ts';

export type Letter = 'A' | 'B' | 'C' | 'D';

export const idOf = (letter: Letter): ServerId => `hcsp:${letter.repeat(22)}`;
export const candidateOf = (letter: Letter): Candidate => ({
  id: idOf(letter),
  endpoints: [{ ip: '127.0.0.1', port: letter.charCodeAt(0) }],
});

type Kind = ClientEffect['kind'];
type EffectOf<K extends Kind> = Extract<ClientEffect, { kind: K }>;

export interface ScriptOptions {
  readonly config?: Partial<ClientConfig>;
  readonly servers?: readonly Candidate[];
  readonly share?: number;
  readonly loopGapMs?: number;
}

/** Drives `step`; sends what may be sent at once unless `isBlocked`. */
export class ClientScript {
  readonly core: ClientState;
  nowMs = 1_000_000;
  /** Everything that was asked for, in order. */
  readonly effects: ClientEffect[] = [];
  readonly #sessions = new Map<Letter, SessionId>();
  /** Sockets that take nothing. */
  readonly blocked = new Set<Letter>();

  constructor({ config = {}, servers = [candidateOf('A')], share = 1e6, loopGapMs }: ScriptOptions = {}) {
    this.core = createClientState(
      {
        config: { ...defaultClientConfig, name: 'default/door', ...config },
        term: 7,
        servers,
        shareBytes: share,
        jitter: 0.5,
        ...(loopGapMs === undefined ? {} : { loopGapMs }),
      },
      this.nowMs,
    );
    this.tell({ kind: 'tick' });
  }

  tell(event: ClientEvent): readonly ClientEffect[] {
    const effects = step(this.core, event, this.nowMs);
    this.effects.push(...effects);
    for (const effect of effects) {
      if (effect.kind !== 'dial') continue;
      const letter = (effect.expectId ?? 'hcsp:A').slice(5, 6);
      if (letter === 'A' || letter === 'B' || letter === 'C' || letter === 'D') {
        this.#sessions.set(letter, effect.session);
      }
    }
    return [...effects, ...this.#flush()];
  }

  #flush(): readonly ClientEffect[] {
    for (const [letter, id] of this.#sessions) {
      const session = this.core.sessions.get(id);
      if (session === undefined || this.blocked.has(letter)) continue;
      if (session.stage === 'begun' && session.sent < session.limit) {
        return this.tell({ kind: 'sent', session: id, upTo: session.limit });
      }
    }
    return [];
  }

  session(letter: Letter): SessionId {
    const session = this.#sessions.get(letter);
    if (session === undefined) throw new Error(`${letter} was never dialed`);
    return session;
  }

  welcome(letter: Letter): void {
    this.tell({
      kind: 'welcomed',
      session: this.session(letter),
      id: idOf(letter),
      name: letter.toLowerCase(),
    });
  }

  produce(bytes: number, marks: readonly Mark[] = [], pids?: readonly number[]): void {
    const upTo = this.core.produced + bytes;
    this.tell({ kind: 'produced', upTo, marks, ...(pids === undefined ? {} : { pids }) });
  }

  /** The next bytes begin with a key frame. */
  produceCut(bytes: number): void {
    this.produce(bytes, [{ kind: 'cut', offset: this.core.produced, quality: 'idr' }]);
  }

  ack(letter: Letter, durable: number, received = Math.max(durable, this.sent(letter))): void {
    this.tell({ kind: 'acked', session: this.session(letter), received, durable });
  }

  /** Acks everything that was sent. */
  ackAll(letter: Letter): void {
    this.ack(letter, this.sent(letter));
  }

  sent(letter: Letter): number {
    return this.core.sessions.get(this.session(letter))?.sent ?? 0;
  }

  redirect(from: Letter, to: Letter, why: RedirectWhy = 'rank'): void {
    const { id, endpoints } = candidateOf(to);
    const [address] = endpoints;
    if (id === undefined || address === undefined) throw new Error('no address');
    this.tell({
      kind: 'redirect',
      session: this.session(from),
      redirect: {
        kind: 'redirect',
        to: 'ab:*',
        from: idOf(from),
        target: { id, address },
        features: [],
        also: [],
        why,
      },
    });
  }

  peers(from: Letter, ...letters: readonly Letter[]): void {
    const servers = letters.flatMap((letter) => {
      const { id, endpoints } = candidateOf(letter);
      const [address] = endpoints;
      return id === undefined || address === undefined ? [] : [{ id, address }];
    });
    this.tell({ kind: 'peers', session: this.session(from), servers });
  }

  /** Lets time pass in ticks of 100 ms; those named say a line every second tick. */
  pass(ms: number, ...alive: readonly Letter[]): void {
    const untilMs = this.nowMs + ms;
    for (let i = 0; this.nowMs < untilMs; i += 1) {
      this.nowMs = Math.min(untilMs, this.nowMs + 100);
      if (i % 2 === 0)
        for (const letter of alive) this.tell({ kind: 'alive', session: this.session(letter) });
      this.tell({ kind: 'tick' });
    }
  }

  /** Streams to A, which has all of 100 bytes that begin with a cut. */
  startAtA(): this {
    this.welcome('A');
    this.produceCut(100);
    this.ackAll('A');
    return this;
  }

  /** Effects of a kind since the last call of `forget`. */
  of<K extends Kind>(kind: K): readonly EffectOf<K>[] {
    return this.effects.filter((effect): effect is EffectOf<K> => effect.kind === kind);
  }

  /** Events of a name since the last call of `forget`. */
  told(name: AgentEvent['event']): readonly Untimed[] {
    return this.of('tell').flatMap(({ event }) => (event.event === name ? [event] : []));
  }

  forget(): void {
    this.effects.length = 0;
  }
}
