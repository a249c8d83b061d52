/** A source that is a pipe: whatever another program writes, until it ends. */
import type { Readable } from 'node:stream';
import type { Source, SourceListener } from './source.ts';

export interface StdinOptions {
  /** Default: the process's own standard input. */
  readonly input?: Readable;
}

/** Reads a pipe to its end. The other program's pace is its own; `setPaused` slows it down where nobody takes the bytes. */
export function openStdinSource(options: StdinOptions, listener: SourceListener): Source {
  const input = options.input ?? process.stdin;
  const onData = (bytes: Uint8Array): void => listener.onBytes(bytes);
  const onEnd = (): void => {
    listener.onState({ ready: false, reason: 'Ended', message: 'standard input has ended' });
    listener.onEnd();
  };
  const onError = (error: Error): void => {
    listener.onState({
      ready: false,
      reason: 'ReadFailed',
      message: `reading standard input: ${error.message}`,
    });
    listener.onEnd();
  };
  input.on('data', onData).once('end', onEnd).once('error', onError);
  listener.onState({ ready: true, reason: 'Reading', message: 'reading standard input' });
  return {
    setPaused: (isPaused) => {
      if (isPaused) input.pause();
      else input.resume();
    },
    close: async () => {
      input.off('data', onData).off('end', onEnd).off('error', onError);
      // Errors that come later are nobody's; an open pipe must not keep the process alive.
      input.on('error', () => undefined);
      input.destroy();
    },
  };
}
