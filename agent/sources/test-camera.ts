/** A camera of our own, in pure TypeScript: moving H.264 with a frame counter, at the pace of a clock. */
import type { Source, SourceListener } from './source.ts';
import { TestPace } from './test-pace.ts';
import { TestStream, type TestStreamOptions } from './test-stream.ts';

export type TestCameraOptions = TestStreamOptions;

/**
 * Gives a frame a call to `onBytes`, the first at once, until it is closed. It never ends and never fails, and gives nobody a
 * key frame for the asking: that would hide loss.
 *
 * @example const camera = openTestCamera({ fps: 15, gop: 2 }, listener); … await camera.close();
 * @throws RangeError for options outside their bounds
 */
export function openTestCamera(options: TestCameraOptions, listener: SourceListener): Source {
  const stream = new TestStream(options);
  const pace = new TestPace(1000 / options.fps, performance.now());
  let timer: NodeJS.Timeout | undefined;
  const give = (): void => {
    timer = setTimeout(give, pace.next(performance.now()));
    listener.onBytes(stream.next());
  };
  timer = setTimeout(() => {
    listener.onState({
      ready: true,
      reason: 'Playing',
      message: `the test camera gives ${options.fps} frames a second`,
    });
    // The listener may have closed it.
    if (timer !== undefined) give();
  }, 0);
  return {
    close: () => {
      clearTimeout(timer);
      timer = undefined;
      return Promise.resolve();
    },
  };
}
