/** Which of two announcements of one server is the later one: (boot, seq), so that no clock is compared and no replay counts. */
import type { Subscribe } from './documents.ts';

/** `boot` is max(saved + 1, Unix milliseconds) of a start, `seq` counts within it. */
export type AnnouncementOrder = NonNullable<Subscribe['order']>;

/**
 * Whether an announcement comes after the last one of that server. One without an order is a plain patent message: it counts
 * until that server has once shown a boot.
 *
 * @param last the highest order that was taken; undefined if none had one
 */
export function isLater(order: AnnouncementOrder | undefined, last: AnnouncementOrder | undefined): boolean {
  if (last === undefined) return true;
  return order !== undefined && compareOrders(order, last) > 0;
}

/** Negative where `a` is earlier. */
function compareOrders(a: AnnouncementOrder, b: AnnouncementOrder): number {
  return a.boot === b.boot ? a.seq - b.seq : a.boot - b.boot;
}

/** The boot number of a start that remembers the last one; higher even where the clock went back. */
export function nextBoot(savedBoot: number, unixMs: number): number {
  return Math.max(savedBoot + 1, Math.floor(unixMs));
}
