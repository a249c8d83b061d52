/** What the figures were measured on, in words, and what else it had to do meanwhile. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

export function describeMachine(): string {
  const gib = Math.round(totalmem() / 2 ** 30);
  const model = cpus()[0]?.model ?? 'unknown';
  return `${availableParallelism()} cores (${model}), ${gib} GiB, Linux ${release()}, Node.js ${process.version}, OpenSSL ${process.versions.openssl}`;
}

/** Processes that want to run, over the last minute: above the number of cores, times are somebody else's too. */
export function loadNow(): number {
  return loadavg()[0] ?? 0;
}

/** User and system time of a process, all its threads; Linux counts it in ticks of 10 ms. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export interface Memory {
  /** All pages that are in memory, those that other processes share included. */
  readonly residentMiB: number;
  /** Shared pages counted by how many share them. */
  readonly proportionalMiB: number;
  /** Not backed by a file: what this process alone costs. */
  readonly anonymousMiB: number;
}

export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024;
  return { residentMiB: field('Rss'), proportionalMiB: field('Pss'), anonymousMiB: field('Anonymous') };
}

/** Milliseconds of a clock that all processes of the machine share and nobody sets. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
