/** How a client reaches servers: the one place where its certificate and trust set meet the wire. */
import type { SecureContext } from 'node:tls';
import { LeafCache } from '../../protocol/certificates.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
import type { TrustSet } from '../../protocol/trust.ts';
import { DialError, dialTls } from '../../tls/dialing.ts';
import type { Identity } from '../../tls/identity.ts';
import { createCallContext, verifyPeer } from '../../tls/peers.ts';
import type { DialProblem } from './core-events.ts';
import type { Dialed } from './dial-race.ts';

export interface DialRequest {
  readonly endpoint: Endpoint;
  /** Whose certificate it must be; any server's where it is not said. */
  readonly expectId?: ServerId;
  readonly signal: AbortSignal;
}

export interface Transport {
  /** Rejects where no verified server answers; leaves nothing open. */
  dial(request: DialRequest): Promise<Dialed>;
  /** Says why a dial rejected. */
  problemOf(error: unknown): DialProblem;
  /** Judges the certificate of a socket that `dial` gave by the trust set of now. @returns why it is not trusted any more */
  recheck(socket: Dialed['socket']): string | undefined;
}

/** A trust set that changes. */
export interface TrustView {
  readonly current: TrustSet;
  onChange(listener: (trust: TrustSet) => void): () => void;
}

/** The core gives up earlier; this only keeps a forgotten dial from staying open. */
const dialTimeoutMs = 10_000;
/** Verified servers that a client remembers: as many as its fail-over list names. */
const maxKnownServers = 16;

/** Mutual TLS 1.3 with this certificate, judged by the trust set as it is at that moment. */
export function createTransport(identity: Identity, trust: TrustView, unixMs: () => number): Transport {
  const leafs = new LeafCache(maxKnownServers);
  let kept: { readonly trust: TrustSet; readonly context: SecureContext } | undefined;
  return {
    dial: async ({ endpoint, expectId, signal }) => {
      const { current } = trust;
      if (kept?.trust !== current) kept = { trust: current, context: createCallContext(identity, current) };
      const expected = expectId === undefined ? {} : { expectId };
      return dialTls({
        endpoint,
        identity,
        trust: current,
        context: kept.context,
        leafs,
        alpn: 'hosp/1',
        signal,
        timeoutMs: dialTimeoutMs,
        ...expected,
      });
    },
    problemOf: (error) => {
      if (!(error instanceof DialError)) return 'error';
      return error.isUntrusted ? 'untrusted' : 'unreachable';
    },
    recheck: (socket) => {
      const verdict = verifyPeer(socket, trust.current, unixMs());
      return verdict.ok ? undefined : verdict.detail;
    },
  };
}
