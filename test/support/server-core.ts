/** A server's core in virtual time, with short words for what happens to it. */
import type {
  ServerConfig,
  ServerEffect,
  ServerEvent,
  ServerStatus,
} from '../../agent/server/core-events.ts';
import type { SavedServer } from '../../agent/server/core-events.ts';
import { serverStatus } from '../../agent/server/core-status.ts';
import { createServerState, step } from '../../agent/server/core.ts';
import type { Connect, RefusedReason, Subscribe } from '../../protocol/documents.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import type { ClientId, ServerId } from '../../protocol/identifiers.ts';

export type Effect<Kind extends ServerEffect['kind']> = Extract<ServerEffect, { kind: Kind }>;

export interface PeerWords {
  readonly features?: readonly string[];
  readonly max?: number;
  readonly connected?: number;
  readonly boot?: number;
  readonly seq?: number;
  readonly also?: readonly Endpoint[];
}

export const serverIdOf = (letter: string): ServerId => `hcsp:${letter.repeat(22)}`;
const clientIdOf = (letter: string): ClientId => `ab:${letter.repeat(22)}`;
const portOf = (letter: string): number => letter.codePointAt(0) ?? 1;

const plainConfig: ServerConfig = {
  features: ['record'],
  max: 5,
  intervalMs: 10_000,
  isDrained: false,
  suspendedClients: new Set(),
  listenPort: 17_320,
  isAnnounced: true,
  interfaces: [],
  excludeInterfaces: [],
  peers: [],
};

export class ServerUnderTest {
  readonly state;
  nowMs = 1000;
  config: ServerConfig;
  #seqs = new Map<string, number>();
  #session = 0;

  constructor(
    config: Partial<ServerConfig> = {},
    options: { saved?: SavedServer; random?: () => number } = {},
  ) {
    this.config = { ...plainConfig, ...config };
    this.state = createServerState({
      id: serverIdOf('M'),
      name: 'me',
      config: this.config,
      random: options.random ?? (() => 0.5),
      ...(options.saved === undefined ? {} : { saved: options.saved }),
    });
  }

  /** Starts it and lets the first announcements pass. */
  start(): readonly ServerEffect[] {
    const effects = this.tell({ kind: 'start', unixMs: 1_700_000_000_000 });
    return [...effects, ...this.wait(1500)];
  }

  tell(event: ServerEvent): readonly ServerEffect[] {
    return step(this.state, event, this.nowMs);
  }

  /** Lets time pass, with a tick at every wake. */
  wait(forMs: number): readonly ServerEffect[] {
    const effects: ServerEffect[] = [];
    const untilMs = this.nowMs + forMs;
    while (this.state.wakeAtMs <= untilMs && this.state.wakeAtMs > this.nowMs) {
      this.nowMs = this.state.wakeAtMs;
      effects.push(...this.tell({ kind: 'tick' }));
    }
    this.nowMs = untilMs;
    effects.push(...this.tell({ kind: 'tick' }));
    return effects;
  }

  configure(change: Partial<ServerConfig>): readonly ServerEffect[] {
    this.config = { ...this.config, ...change };
    return [...this.tell({ kind: 'configure', config: this.config }), ...this.wait(20)];
  }

  /** A peer says something of itself; the seq goes on by itself. */
  hear(letter: string, words: PeerWords = {}, via: 'multicast' | 'link' = 'link'): readonly ServerEffect[] {
    const seq = words.seq ?? (this.#seqs.get(letter) ?? 0) + 1;
    this.#seqs.set(letter, seq);
    const subscribe: Subscribe = {
      kind: 'subscribe',
      to: 'ab:*',
      from: { id: serverIdOf(letter), address: { ip: '10.0.0.1', port: portOf(letter) } },
      features: words.features ?? ['record'],
      connected: words.connected ?? 0,
      max: words.max ?? 5,
      order: { boot: words.boot ?? 1, seq },
      also: words.also ?? [],
    };
    const heard = this.tell({
      kind: 'heard',
      subscribe,
      name: `peer-${letter}`,
      spkiSha256: `key-${letter}`,
      via,
    });
    return [...heard, ...this.wait(20)];
  }

  /** A peer is heard and our call to it opens. */
  link(letter: string, words: PeerWords = {}): readonly ServerEffect[] {
    const heard = this.hear(letter, words);
    const linked = this.tell({
      kind: 'linked',
      id: serverIdOf(letter),
      name: `peer-${letter}`,
      address: { ip: '10.0.0.1', port: portOf(letter) },
    });
    return [...heard, ...linked, ...this.wait(20)];
  }

  unlink(letter: string, reason = 'silent'): readonly ServerEffect[] {
    return [...this.tell({ kind: 'unlinked', id: serverIdOf(letter), reason }), ...this.wait(20)];
  }

  /** A client says hello. @returns its session, and what happened */
  hello(letter: string, words: Partial<Connect> & { spki?: string; name?: string } = {}): Greeting {
    this.#session += 1;
    const session = this.#session;
    const { spki, name, ...connect } = words;
    const effects = this.tell({
      kind: 'hello',
      session,
      name: name ?? `default/${letter}`,
      spkiSha256: spki ?? `key-${letter}`,
      connect: {
        kind: 'connect',
        to: serverIdOf('M'),
        from: clientIdOf(letter),
        stream: 'main',
        media: 'video/mp2t',
        term: 1,
        requires: [],
        weights: {},
        mode: 'Best',
        moveAfterMs: 0,
        ...connect,
      },
    });
    return { session, effects: [...effects, ...this.wait(20)] };
  }

  /** A client is welcomed and streams. */
  stream(letter: string, words: Parameters<ServerUnderTest['hello']>[1] = {}): Greeting {
    const { session, effects } = this.hello(letter, words);
    return { session, effects: [...effects, ...this.tell({ kind: 'begun', session }), ...this.wait(20)] };
  }

  refuse(
    session: number,
    letter: string,
    reason: RefusedReason,
    retryAfterMs?: number,
  ): readonly ServerEffect[] {
    const retry = retryAfterMs === undefined ? {} : { retryAfterMs };
    const refused = { kind: 'refused' as const, id: serverIdOf(letter), reason, ...retry };
    return [...this.tell({ kind: 'refused', session, refused }), ...this.wait(20)];
  }

  end(session: number): readonly ServerEffect[] {
    return [...this.tell({ kind: 'ended', session }), ...this.wait(20)];
  }

  leave(session: number): readonly ServerEffect[] {
    return [...this.tell({ kind: 'gone', session, reason: 'fin' }), ...this.wait(20)];
  }

  get status(): ServerStatus {
    return serverStatus(this.state, this.nowMs);
  }
}

export interface Greeting {
  readonly session: number;
  readonly effects: readonly ServerEffect[];
}

export function only<Kind extends ServerEffect['kind']>(
  effects: readonly ServerEffect[],
  kind: Kind,
): readonly Effect<Kind>[] {
  return effects.filter((effect): effect is Effect<Kind> => effect.kind === kind);
}

/** `A→X rank` for each client that is sent away, `* →` for everybody. */
export function redirects(effects: readonly ServerEffect[]): readonly string[] {
  return only(effects, 'redirect').map(({ redirect }) => {
    const to = redirect.to === 'ab:*' ? '*' : redirect.to.slice(3, 4);
    return `${to}→${redirect.target.id.slice(5, 6)} ${redirect.why}`;
  });
}
