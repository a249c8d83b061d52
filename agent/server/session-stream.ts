/** The bytes of one session on their way into the sinks, and what may be said about them. Pure but for the sinks. */
import type { Begin } from '../../protocol/documents.ts';
import type { Sink, SinkStream, StreamAddress } from '../sinks/sink.ts';

/** A sink whose file system hangs holds this much of one session and no more: then the session is not read. */
export const maxBacklogBytes = 4 << 20;

/** What a client may not do; ends the session with `bye error`. */
export type StreamProblem = 'begin-backwards' | 'bytes-before-begin' | 'end-offset' | 'offset-too-large';

interface Part {
  readonly sink: Sink;
  readonly stream: SinkStream;
}

/** Offsets of one session; its sinks are fixed here, at `welcome`. */
export class SessionStream {
  readonly #parts: readonly Part[];
  readonly #durableParts: readonly SinkStream[];
  #isInPart = false;
  #received = 0;
  #durable = 0;

  constructor(sinks: readonly Sink[], address: StreamAddress) {
    this.#parts = sinks.map((sink) => ({ sink, stream: sink.open(address) }));
    this.#durableParts = this.#parts.filter(({ sink }) => sink.isDurable).map(({ stream }) => stream);
  }

  /** Next offset expected off the socket; 0 before the first `begin`. */
  get received(): number {
    return this.#received;
  }

  /** Next offset that every durable sink has safe; with no such sink, what was received. Never falls, even where a sink's does. */
  get durable(): number {
    const safe = Math.min(this.#received, ...this.#durableParts.map(({ durable }) => durable));
    this.#durable = Math.max(this.#durable, safe);
    return this.#durable;
  }

  /** A durable sink has given up on it: `durable` will not rise any more, whatever comes. */
  get isFrozen(): boolean {
    return this.#durableParts.some((stream) => stream.isFrozen === true);
  }

  /** Of durable sinks only: who merely watches must not hold up a recording. */
  get backlogBytes(): number {
    return Math.max(0, ...this.#durableParts.map(({ backlogBytes }) => backlogBytes));
  }

  has(stream: SinkStream): boolean {
    return this.#parts.some((part) => part.stream === stream);
  }

  begin({ offset, time, why }: Begin): StreamProblem | undefined {
    if (offset < this.#received) return 'begin-backwards';
    this.#received = offset;
    this.#isInPart = true;
    for (const { stream } of this.#parts) stream.begin({ offset, timeMs: time, why });
    return undefined;
  }

  take(bytes: Uint8Array, isCounted: boolean): StreamProblem | undefined {
    if (!this.#isInPart) return 'bytes-before-begin';
    if (isCounted && !Number.isSafeInteger(this.#received + bytes.length)) return 'offset-too-large';
    if (isCounted) this.#received += bytes.length;
    for (const { stream } of this.#parts) stream.write(bytes, isCounted);
    return undefined;
  }

  /** Nothing is counted behind it until the next `begin`. */
  end(offset: number): StreamProblem | undefined {
    if (!this.#isInPart || offset !== this.#received) return 'end-offset';
    this.#isInPart = false;
    this.commit();
    return undefined;
  }

  commit(): void {
    for (const { stream } of this.#parts) stream.commit();
  }

  async close(): Promise<void> {
    await Promise.all(this.#parts.map(({ stream }) => stream.close()));
  }
}
