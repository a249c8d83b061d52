/** A home's references and recordings on disk, for tests of the check. */
import { join } from 'node:path';
import { openRecordSink } from '../../agent/sinks/record.ts';
import type { StreamAddress } from '../../agent/sinks/sink.ts';
import { keepSource } from '../../agent/sources/keep-source.ts';
import { TestStream } from '../../agent/sources/test-stream.ts';

/** `frames` frames of a test camera, one buffer each. */
export function testFrames(frames: number, seed = 0): readonly Buffer[] {
  const stream = new TestStream({ fps: 15, gop: 1, seed, size: { widthMbs: 8, heightMbs: 4 } });
  return Array.from({ length: frames }, () => stream.next());
}

/** What `--keep-source` writes. */
export function keep(directory: string, address: StreamAddress, bytes: Uint8Array): void {
  const silent = { onRestart() {}, onBytes() {}, onState() {}, onEnd() {} };
  const kept = keepSource(join(directory, 'kept'), address, silent);
  kept.listener.onBytes(bytes);
  kept.close();
}

/** What a server of that name records: [from, to) of the source. */
export async function record(
  directory: string,
  address: StreamAddress,
  part: { readonly server: string; readonly source: Uint8Array; readonly from: number; readonly to: number },
): Promise<string> {
  const recordings = join(directory, part.server);
  const sink = await openRecordSink(
    { directory: recordings, keepFreeBytes: 0, emit: () => undefined },
    { onDurable: () => undefined, onHealth: () => undefined },
  );
  const stream = sink.open(address);
  stream.begin({ offset: part.from, timeMs: 1000, why: part.from === 0 ? 'start' : 'handover' });
  stream.write(part.source.subarray(part.from, part.to), true);
  await sink.close();
  return recordings;
}
