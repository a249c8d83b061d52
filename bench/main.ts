/**
 * `npm run bench`: measures what the design promises, each figure beside a peer or primitive of the same run.
 * `npm run bench -- NAME…` measures only those; BENCH_PROFILES=DIR writes CPU profiles of the processes there.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { sweepLeftovers } from './leftovers.ts';
import { benchFailOver } from './fail-over.ts';
import { benchFlood } from './flood.ts';
import { describeMachine, loadNow } from './machine.ts';
import { benchImage } from './image.ts';
import { benchMemory } from './memory.ts';
import { benchOperatorLoad } from './operator-load.ts';
import { benchRedirectLatency } from './redirect-latency.ts';
import { benchRedirectStorm } from './redirect-storm.ts';
import { type Outcome, describeRow } from './report.ts';
import { benchStreams } from './streams.ts';
import { benchVerification } from './verification.ts';

const benches: Readonly<Record<string, () => Promise<readonly Outcome[]>>> = {
  verification: benchVerification,
  'redirect-latency': benchRedirectLatency,
  'redirect-storm': benchRedirectStorm,
  'fail-over': benchFailOver,
  flood: benchFlood,
  streams: benchStreams,
  memory: benchMemory,
  image: benchImage,
  'operator-load': benchOperatorLoad,
};

/** Where the figures are left for programs. */
const resultsFile = new URL('../build/benchmarks.json', import.meta.url);

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(benches, name));
if (unknown.length > 0) {
  console.error(`no such benchmark: ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}`);
  process.exit(2);
}

await sweepLeftovers();
console.log(describeMachine());
const results: Record<string, readonly Outcome[]> = {};
for (const [name, bench] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const startMs = performance.now();
  const loadBefore = loadNow();
  const outcomes = await bench();
  results[name] = outcomes;
  const seconds = Math.round((performance.now() - startMs) / 1000);
  console.log(
    `\n${name} (${seconds} s; load ${loadBefore.toFixed(1)} before, ${loadNow().toFixed(1)} after)`,
  );
  for (const outcome of outcomes) console.log(describeRow(outcome));
}
await mkdir(new URL('.', resultsFile), { recursive: true });
await writeFile(resultsFile, `${JSON.stringify({ machine: describeMachine(), results }, undefined, 2)}\n`);
