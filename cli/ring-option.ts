/** `--ring MiB`, of every command that streams. */
import { Option } from 'commander';
import { defaultRingBudgetBytes } from '../agent/client/ring-budget.ts';
import { CommandError } from './output.ts';

const mebibyte = 1024 * 1024;

/** The option; its value is in bytes. */
export function ringOption(): Option {
  return new Option('--ring <MiB>', 'memory for what is not safe at a server yet, of all cameras together')
    .default(defaultRingBudgetBytes, `${defaultRingBudgetBytes / mebibyte}`)
    .argParser(parseMebibytes);
}

function parseMebibytes(text: string): number {
  const count = /^[0-9]{1,6}$/.test(text) ? Number(text) : 0;
  if (count > 0) return count * mebibyte;
  throw new CommandError(`--ring ${JSON.stringify(text)}: must be a whole number of MiB from 1 on`);
}
