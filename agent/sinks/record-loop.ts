/**
 * One operation at a time on a file system: a disk that hangs takes one of Node's file threads and no more. The loop asks
 * what is due, does it, and sleeps until something is.
 */
import { within } from '../clock.ts';

export interface Work {
  /** Does one bounded piece; must not reject. */
  run(): Promise<void>;
}

export interface DiskLoop {
  /** Something may be due sooner than was said. */
  wake(): void;
  /** Ends after the operation that is outstanding; does not wait for a disk that hangs longer than `limitMs`. */
  close(limitMs: number): Promise<void>;
}

/**
 * @param next what is due now, or when to ask again (milliseconds from now)
 * @param onStuck an operation has been outstanding for `stuckMs`
 */
export function startDiskLoop(next: () => Work | number, stuckMs: number, onStuck: () => void): DiskLoop {
  const closing = new AbortController();
  let wakeUp: (() => void) | undefined;
  let isAwake = false;
  const sleep = async (milliseconds: number): Promise<void> => {
    if (isAwake || closing.signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Math.min(Math.max(1, milliseconds), 60_000));
    wakeUp = resolve;
    await promise;
    clearTimeout(timer);
    wakeUp = undefined;
  };
  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      isAwake = false;
      const work = next();
      if (typeof work === 'number') {
        await sleep(work);
        continue;
      }
      const watch = setTimeout(onStuck, stuckMs);
      await work.run();
      clearTimeout(watch);
    }
  };
  const wake = (): void => {
    isAwake = true;
    wakeUp?.();
  };
  const ended = run();
  return {
    wake,
    close: async (limitMs) => {
      closing.abort();
      wakeUp?.();
      await within(ended, limitMs);
    },
  };
}
