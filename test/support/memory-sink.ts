/** A sink in memory whose disk is as fast, slow or stuck as the test says. */
import type { Sink, SinkListener, SinkStream, StreamAddress } from '../../agent/sinks/sink.ts';

interface MemoryStream extends SinkStream {
  readonly address: StreamAddress;
  readonly parts: { readonly offset: number; readonly why: string }[];
  /** Counted bytes only, in order. */
  readonly bytes: Buffer;
  readonly injected: number;
  readonly commits: number;
  readonly isClosed: boolean;
  /** Makes everything durable that was written so far. */
  sync(): void;
  /** Nothing becomes durable any more, as after a flush that failed. */
  freeze(): void;
}

export interface MemorySink extends Sink {
  readonly streams: readonly MemoryStream[];
}

/**
 * @param sync `always`: each write is durable at once; `onCommit`: only what was committed is; `never`: nothing by itself
 */
export function openMemorySink(
  listener: Pick<SinkListener, 'onDurable'>,
  options: { readonly sync?: 'always' | 'onCommit' | 'never'; readonly isDurable?: boolean } = {},
): MemorySink {
  const { sync = 'always', isDurable = true } = options;
  const streams: MemoryStream[] = [];
  return {
    kind: 'record',
    isDurable,
    streams,
    open(address) {
      const stream = openStream(address, sync, listener);
      streams.push(stream);
      return stream;
    },
    close: () => Promise.resolve(),
  };
}

function openStream(
  address: StreamAddress,
  syncs: 'always' | 'onCommit' | 'never',
  listener: Pick<SinkListener, 'onDurable'>,
): MemoryStream {
  let next = 0;
  let durable: number | undefined;
  let backlog = 0;
  let [injected, commits, isClosed, isFrozen] = [0, 0, false, false];
  const chunks: Uint8Array[] = [];
  const stream: MemoryStream = {
    address,
    parts: [],
    get bytes() {
      return Buffer.concat(chunks);
    },
    get injected() {
      return injected;
    },
    get commits() {
      return commits;
    },
    get isClosed() {
      return isClosed;
    },
    get isFrozen() {
      return isFrozen;
    },
    get durable() {
      return durable ?? 0;
    },
    get backlogBytes() {
      return backlog;
    },
    begin({ offset, why }) {
      next = offset;
      durable ??= offset;
      stream.parts.push({ offset, why });
    },
    write(bytes, counted) {
      if (counted) {
        chunks.push(Uint8Array.from(bytes));
        next += bytes.length;
        backlog += bytes.length;
      } else injected += bytes.length;
      if (syncs === 'always') stream.sync();
    },
    commit() {
      commits += 1;
      if (syncs === 'onCommit') setImmediate(() => stream.sync());
    },
    sync() {
      backlog = 0;
      if (durable === next || isFrozen) return;
      durable = next;
      listener.onDurable(stream);
    },
    freeze() {
      isFrozen = true;
    },
    close() {
      isClosed = true;
      return Promise.resolve();
    },
  };
  return stream;
}
