/** Whom to call, when: each server calls every peer that it knows. Pure. */
import type { Endpoint } from '../../protocol/endpoints.ts';
import type { ServerId } from '../../protocol/identifiers.ts';

/** More peers than these are not called; those that are configured come first. */
export const maxPeers = 50;
/** Calls under way at once. One a peer. */
export const maxCalls = 4;
const firstBackOffMs = 500;
/** Below the interval of announcements: whoever is back is called before it is heard twice. */
const maxBackOffMs = 8000;
const maxEndpoints = 10;

/** A peer that should have a link: its identifier, or for a configured address that was never reached, that address. */
export interface CallTarget {
  readonly key: string;
  /** The certificate must be for it; absent for a configured address. */
  readonly id?: ServerId;
  /** Tried in this order, at most 10. */
  readonly endpoints: readonly Endpoint[];
  readonly isConfigured: boolean;
}

/** One call to make now. */
export interface Call {
  readonly target: CallTarget;
  readonly endpoint: Endpoint;
}

interface BackOff {
  readonly untilMs: number;
  readonly lengthMs: number;
}

interface Wanted {
  target: CallTarget;
  state: 'idle' | 'calling' | 'open';
  /** By address: a replayed announcement with somebody's address delays no call to where the peer really is. */
  readonly backOff: Map<string, BackOff>;
}

/** The calls of one server: one at a time a peer, four in all, each address of a peer with its own back-off. */
export class Calls {
  readonly #wanted = new Map<string, Wanted>();
  #calling = 0;

  /**
   * This peer should have a link; replaces what was known of it.
   *
   * @returns false where there are 50 peers already
   */
  want(target: CallTarget): boolean {
    const limited = { ...target, endpoints: target.endpoints.slice(0, maxEndpoints) };
    const known = this.#wanted.get(target.key);
    if (known !== undefined) {
      known.target = limited;
      this.#forgetOtherBackOffs(known);
      return true;
    }
    if (this.#wanted.size >= maxPeers && !(target.isConfigured && this.#makeRoom())) return false;
    this.#wanted.set(target.key, { target: limited, state: 'idle', backOff: new Map() });
    return true;
  }

  /** The peer was heard to have started anew: no reason to wait any longer. */
  hurry(key: string): void {
    this.#wanted.get(key)?.backOff.clear();
  }

  /** No link to that peer any more. A call under way is finished by `failed` or `closed` as before. */
  forget(key: string): void {
    const known = this.#wanted.get(key);
    if (known?.state === 'calling') this.#calling -= 1;
    this.#wanted.delete(key);
  }

  has(key: string): boolean {
    return this.#wanted.has(key);
  }

  /** The calls to start now; each ends in `opened` or `failed`. */
  due(nowMs: number): readonly Call[] {
    const calls: Call[] = [];
    for (const wanted of this.#wanted.values()) {
      if (this.#calling >= maxCalls) break;
      if (wanted.state !== 'idle') continue;
      const endpoint = wanted.target.endpoints.find((one) => readyAtMs(wanted, one) <= nowMs);
      if (endpoint === undefined) continue;
      wanted.state = 'calling';
      this.#calling += 1;
      calls.push({ target: wanted.target, endpoint });
    }
    for (const { target } of calls) this.#moveBehind(target.key);
    return calls;
  }

  /** When `due` has more, if nothing else happens; nothing while that depends on calls under way. */
  nextAtMs(): number | undefined {
    if (this.#calling >= maxCalls) return undefined;
    const times = [...this.#wanted.values()]
      .filter(({ state }) => state === 'idle')
      .flatMap((wanted) => wanted.target.endpoints.map((endpoint) => readyAtMs(wanted, endpoint)));
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** The peer answered and is whom we called. Its addresses keep their back-off until it has proved to last. */
  opened(key: string): void {
    this.#settle(key, 'open');
  }

  /** Nobody there, or somebody else. */
  failed(key: string, endpoint: Endpoint, nowMs: number): void {
    this.#settle(key, 'idle');
    this.#delay(key, endpoint, nowMs);
  }

  /**
   * An open link was lost. It is called again at once if it had lasted, otherwise later and later: somebody who answers and
   * hangs up is not called in a loop.
   */
  closed(call: { key: string; endpoint: Endpoint; lastedMs: number }, nowMs: number): void {
    this.#settle(call.key, 'idle');
    if (call.lastedMs >= maxBackOffMs) this.#wanted.get(call.key)?.backOff.clear();
    else this.#delay(call.key, call.endpoint, nowMs);
  }

  #settle(key: string, state: 'idle' | 'open'): void {
    const known = this.#wanted.get(key);
    if (known === undefined) return;
    if (known.state === 'calling') this.#calling -= 1;
    known.state = state;
  }

  #delay(key: string, endpoint: Endpoint, nowMs: number): void {
    const known = this.#wanted.get(key);
    if (known === undefined) return;
    const address = addressKey(endpoint);
    const last = known.backOff.get(address);
    const lengthMs = Math.min(maxBackOffMs, last === undefined ? firstBackOffMs : last.lengthMs * 2);
    known.backOff.set(address, { untilMs: nowMs + lengthMs, lengthMs });
  }

  #forgetOtherBackOffs({ target, backOff }: Wanted): void {
    const current = new Set(target.endpoints.map(addressKey));
    for (const address of backOff.keys()) if (!current.has(address)) backOff.delete(address);
  }

  /** Whoever was called last waits behind the others. */
  #moveBehind(key: string): void {
    const wanted = this.#wanted.get(key);
    if (wanted === undefined) return;
    this.#wanted.delete(key);
    this.#wanted.set(key, wanted);
  }

  #makeRoom(): boolean {
    for (const [key, { target, state }] of this.#wanted) {
      if (target.isConfigured || state !== 'idle') continue;
      this.#wanted.delete(key);
      return true;
    }
    return false;
  }
}

function readyAtMs({ backOff }: Wanted, endpoint: Endpoint): number {
  return backOff.get(addressKey(endpoint))?.untilMs ?? 0;
}

function addressKey({ ip, port }: Endpoint): string {
  return `${ip} ${port}`;
}
