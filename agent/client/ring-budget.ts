/** One budget of ring bytes an agent, shared evenly by its clients. */

/** Our choice: 256 MiB, which holds 20 s of 16 Mbit/s for six cameras, or 4 s of 8 Mbit/s for sixty. */
export const defaultRingBudgetBytes = 256 * 1024 * 1024;
/** A share is never less, however many clients there are: a ring that holds nothing helps nobody. */
export const leastShareBytes = 256 * 1024;

export interface RingBudget {
  /** The new client's share, now and at each change. */
  join(onShare: (bytes: number) => void): { leave(): void };
}

/**
 * @param totalBytes for all clients together
 */
export function createRingBudget(totalBytes: number = defaultRingBudgetBytes): RingBudget {
  const members = new Set<(bytes: number) => void>();
  const tellAll = (): void => {
    const share = Math.max(leastShareBytes, Math.floor(totalBytes / Math.max(1, members.size)));
    for (const onShare of members) onShare(share);
  };
  return {
    join(onShare) {
      members.add(onShare);
      tellAll();
      return {
        leave() {
          if (members.delete(onShare)) tellAll();
        },
      };
    },
  };
}
