/** What an agent out of the bundle keeps in memory: idle, and taking ten cameras to disk. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { freePorts } from '../test/support/agent-process.ts';
import { Bundle } from './bundled.ts';
import { BenchHome, papersOf } from './home.ts';
import { memoryOf } from './machine.ts';
import { Program } from './program.ts';
import type { Outcome, Row } from './report.ts';

const cameraCount = 10;
/** Long enough for the collector to have been there several times. */
const idleMs = 10_000;
const streamingMs = 20_000;

export async function benchMemory(): Promise<readonly Outcome[]> {
  await using home = await BenchHome.open();
  await using stack = new AsyncDisposableStack();
  const bundle = stack.use(await Bundle.open());
  const [port = 0] = await freePorts(1);
  await home.write('box', papersOf(await home.server('box')));
  const sinks = [{ name: 'disk', record: { keepFree: '1Mi' } }];
  const spec = { listen: { port }, max: 100, sinks, announce: { interfaces: ['lo'] } };
  const args = await home.writeAgent('box', [{ kind: 'HomeServer', metadata: { name: 'box' }, spec }]);
  const bare = await bundle.startBare();
  const agent = await bundle.start('agent', ...args, '--json');
  await delay(idleMs, undefined);
  const peer = {
    what: 'Node.js alone, with node:tls, node:dgram and no program',
    figure: memoryOf(bare).residentMiB,
  };
  const idle = describe('an agent, idle', agent, { atMost: 60, peer });
  const cameras = stack.use(new Program('stream-clients'));
  const papers = await home.clients(cameraCount);
  const { anchorsPem } = home;
  await cameras.ask(z.string(), 'open', { anchorsPem, papers, port, isHoming: true });
  await cameras.tell('stream', true);
  await delay(streamingMs, undefined);
  const what = `an agent that records ${cameraCount} cameras of 4 Mbit/s, without rings`;
  const busy = describe(what, agent, { atMost: 80, peer });
  await cameras.tell('stream', false);
  return [idle, busy];
}

function describe(
  what: string,
  pid: number,
  { atMost, peer }: { readonly atMost: number; readonly peer: NonNullable<Row['peer']> },
): Row {
  const { residentMiB, proportionalMiB, anonymousMiB } = memoryOf(pid);
  const programMiB = residentMiB - anonymousMiB;
  return {
    what,
    figure: residentMiB,
    unit: 'MiB',
    peer,
    target: { of: 'figure', atMost },
    note: `resident: ${anonymousMiB.toFixed(0)} its own (anonymous), ${programMiB.toFixed(0)} pages of Node.js and libraries, which all processes share; proportional ${proportionalMiB.toFixed(0)}`,
  };
}
