/** How a client reaches servers: the one place where its certificate and trust set meet the wire. */
import type { Socket } from 'node:net';
import type { Endpoint } from '../../protocol/endpoints.ts';
import type { ServerId } from '../../protocol/identifiers.ts';
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
  recheck(socket: Socket): string | undefined;
  /** Calls back when the trust set changed; returns what stops that. */
  onTrustChange(listener: () => void): () => void;
}
