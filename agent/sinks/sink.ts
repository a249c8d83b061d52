/** A sink takes the bytes of sessions: to disk, to viewers, to a program. */
import type { BeginWhy, MediaType } from '../../protocol/documents.ts';

/** What addresses a stream of a client across servers. */
export interface StreamAddress {
  /** `namespace/name`, from the certificate. */
  readonly name: string;
  readonly stream: string;
  readonly term: number;
  readonly media: MediaType;
}

/** One session's stream at one sink. Calls return at once; a slow disk shows as backlog, never as waiting. */
export interface SinkStream {
  /** A part begins: the next counted byte is at `offset`. */
  begin(begin: { readonly offset: number; readonly timeMs: number; readonly why: BeginWhy }): void;
  /** @param counted false for injected bytes, which are kept but have no offset */
  write(bytes: Uint8Array, counted: boolean): void;
  /** Makes all that was written durable now, as on `end`. */
  commit(): void;
  /** Next offset expected that is safe here in the sense of `durability`; never falls, never exceeds what was written. */
  readonly durable: number;
  /** Nothing more becomes durable in this session (a flush failed): only a new session can help. Absent is false. */
  readonly isFrozen?: boolean;
  /** Bytes taken and not yet handed to the kernel; the session stops reading above a bound. */
  readonly backlogBytes: number;
  /** Commits and closes; resolves when the files are closed. */
  close(): Promise<void>;
}

export interface SinkListener {
  /** `durable` of that stream rose. */
  onDurable(stream: SinkStream): void;
  /** The sink failed or healed: the feature goes, or comes back after 60 s of health. */
  onHealth(healthy: boolean, message: string): void;
}

export interface Sink {
  /** The feature that it stands for in announcements unless configured otherwise. */
  readonly kind: 'record' | 'live' | 'exec';
  /** Whether `durable` of a session counts it. */
  readonly isDurable: boolean;
  open(address: StreamAddress): SinkStream;
  close(): Promise<void>;
}
