/** Keeps what a source gave, byte for byte: a reference for `homing check`. */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { StreamAddress } from '../sinks/sink.ts';
import { formatSegmentName, streamFolder } from '../sinks/record-names.ts';
import type { SourceListener } from './source.ts';

export interface KeptSource {
  /** Give this to the source in the listener's place. */
  readonly listener: SourceListener;
  close(): void;
}

/**
 * Writes `DIRECTORY/<namespace>/<name>/<stream>/<term>-0.ts` beside handing the bytes on. Bytes are written before they are
 * handed on, and that waits for the kernel: a reference must never know less than a recording. So it is for trials and tests.
 *
 * @throws Error where the file cannot be made, or is there already
 */
export function keepSource(directory: string, address: StreamAddress, listener: SourceListener): KeptSource {
  const folder = streamFolder(directory, address.name, address.stream);
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  const { term, media } = address;
  const path = join(folder, formatSegmentName({ term, offset: 0, copy: 1, media }));
  let file: number | undefined = openSync(path, 'wx', 0o640);
  const stop = (): void => {
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  const keep = (bytes: Uint8Array): void => {
    if (file === undefined) return;
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
    } catch (error) {
      stop();
      const message = `keeping the source in ${path} has ended: ${error instanceof Error ? error.message : 'unknown'}`;
      listener.onState({ ready: true, reason: 'NotKept', message });
    }
  };
  return {
    listener: {
      onRestart: () => listener.onRestart(),
      onBytes: (bytes) => {
        keep(bytes);
        listener.onBytes(bytes);
      },
      onState: (state) => listener.onState(state),
      onEnd: () => listener.onEnd(),
    },
    close: stop,
  };
}
