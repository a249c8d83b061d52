/** How commands speak: results on stdout, progress and errors on stderr, colours only on a terminal. */
import { styleText } from 'node:util';

/** Exit codes of every command: good, a negative verdict, usage or configuration. */
export const exitCodes = { good: 0, negative: 1, usage: 2 } as const;

/** Ends a command with a sentence that says what to do next. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: number;
  constructor(message: string, exitCode: number = exitCodes.usage, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** One JSON object a line on stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** One line for people on stdout. */
export function printLine(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** A note beside the result, on stderr. */
export function printNote(line: string): void {
  process.stderr.write(`${line}\n`);
}

type Style = Parameters<typeof styleText>[0];

/** Colours where stdout is a terminal and NO_COLOR is not set; plain text elsewhere. */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}
