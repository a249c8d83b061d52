/** Rows of figures: each beside its target, and beside a peer or primitive that was measured in the same run. */

/** What a figure is compared with: something that nobody can do without, or another program that does the same. */
export interface Peer {
  readonly what: string;
  readonly figure: number;
}

export interface Row {
  readonly what: string;
  readonly figure: number;
  /** Of the figure, of its peer and, where it is not a ratio's, of the target. */
  readonly unit: 'ms' | 's' | 'µs' | 'MiB' | 'CPU s/GB' | 'frames' | 'links' | '1/s';
  readonly peer?: Peer;
  /** `ratio`: of the figure to its peer's. Absent: shown for comparison only. */
  readonly target?: { readonly of: 'figure' | 'ratio'; readonly atMost?: number; readonly atLeast?: number };
  /** What belongs to the figure: how many samples, under what. */
  readonly note?: string;
}

/** A row that could not be measured here, and why. */
export interface Skipped {
  readonly what: string;
  readonly skipped: string;
}

export type Outcome = Row | Skipped;

function ratioOf({ figure, peer }: Row): number | undefined {
  return peer === undefined || peer.figure === 0 ? undefined : figure / peer.figure;
}

/** Whether the target is met; undefined where there is none. */
function isMet(row: Row): boolean | undefined {
  const { target } = row;
  if (target === undefined) return undefined;
  const value = target.of === 'figure' ? row.figure : ratioOf(row);
  if (value === undefined) return false;
  return value <= (target.atMost ?? Infinity) && value >= (target.atLeast ?? -Infinity);
}

/** One row as one or two lines for people. */
export function describeRow(outcome: Outcome): string {
  if ('skipped' in outcome) return `  -    ${outcome.what}: skipped: ${outcome.skipped}`;
  const met = isMet(outcome);
  const mark = met === undefined ? '     ' : met ? 'met  ' : 'MISS ';
  const parts = [`${outcome.what}: ${round(outcome.figure)} ${outcome.unit}`, describeTarget(outcome)];
  const ratio = ratioOf(outcome);
  if (outcome.peer !== undefined && ratio !== undefined) {
    parts.push(`${outcome.peer.what}: ${round(outcome.peer.figure)} ${outcome.unit}, ratio ${round(ratio)}`);
  }
  const line = `  ${mark}${parts.filter((part) => part !== '').join('; ')}`;
  return outcome.note === undefined ? line : `${line}\n       (${outcome.note})`;
}

function describeTarget({ target, unit }: Row): string {
  if (target === undefined) return '';
  const bound = target.atMost === undefined ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
  return target.of === 'figure' ? `target ${bound} ${unit}` : `target ratio ${bound}`;
}

/** Three significant digits. */
function round(value: number): string {
  return Number(value.toPrecision(3)).toString();
}

/** The value that this share of the samples does not exceed; of few samples, the largest. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}
