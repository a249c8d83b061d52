/** Conditions: from reasons to what the status holds, with times that move only where a status does. Pure. */
import type { Condition } from '../../crds/metadata.ts';
import type { ReasonNote } from './condition-reasons.ts';

type Table = Readonly<Record<string, Readonly<Record<string, ReasonNote>>>>;

/** A condition that was decided; when it came about is said by `stampConditions`. */
export interface Verdict {
  readonly type: string;
  readonly status: Condition['status'];
  readonly reason: string;
  readonly message: string;
}

/** The longest message that is written; the API takes 32 KiB, people read less. Our choice. */
const maxMessageCharacters = 1024;

/** Makes verdicts of one kind of resource: only reasons of its table can be given, and each has its one status. */
export function verdictsOf<Reasons extends Table>(table: Reasons) {
  return <Type extends keyof Reasons & string>(
    type: Type,
    reason: keyof Reasons[Type] & string,
    message?: string,
  ): Verdict => {
    const note: ReasonNote | undefined = table[type]?.[reason];
    if (note === undefined) throw new RangeError(`condition ${type} has no reason ${reason}`);
    const text = message ?? [note.means, note.todo].filter((part) => part !== undefined).join(' ');
    return { type, status: note.status, reason, message: text.slice(0, maxMessageCharacters) };
  };
}

/**
 * The verdicts as conditions. `lastTransitionTime` stays where the status is what it was, as the API conventions ask.
 *
 * @param now RFC 3339
 */
export function stampConditions(
  verdicts: readonly Verdict[],
  previous: readonly Condition[] | undefined,
  { generation, now }: { readonly generation: number | undefined; readonly now: string },
): Condition[] {
  return verdicts.map((verdict) => {
    const before = previous?.find(({ type }) => type === verdict.type);
    return {
      ...verdict,
      lastTransitionTime: before?.status === verdict.status ? before.lastTransitionTime : now,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
  });
}
