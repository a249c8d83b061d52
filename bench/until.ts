/** Waits until something is so. */
import { setTimeout as delay } from 'node:timers/promises';

/** Far above what any of it takes, on a machine that has other work too. */
const patienceMs = 90_000;

/** Looks ten times a second. @throws Error after a minute and a half */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const startMs = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startMs > patienceMs) throw new Error('it takes too long');
    await delay(100, undefined);
  }
}
