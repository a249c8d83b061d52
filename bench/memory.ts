/** What an agent keeps in memory: idle, and taking ten cameras to disk. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { AgentProcess, freePorts } from '../test/support/agent-process.ts';
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
  const [port = 0] = await freePorts(1);
  await home.write('box', papersOf(await home.server('box')));
  const sinks = [{ name: 'disk', record: { keepFree: '1Mi' } }];
  const spec = { listen: { port }, max: 100, sinks, announce: { interfaces: ['lo'] } };
  const args = await home.writeAgent('box', [{ kind: 'HomeServer', metadata: { name: 'box' }, spec }]);
  const agent = stack.adopt(new AgentProcess(args), async (running) => void (await running.end()));
  await agent.until('started');
  await delay(idleMs, undefined);
  const idle = describe('agent, idle', agent.pid, 60);
  const cameras = stack.use(new Program('stream-clients'));
  const papers = await home.clients(cameraCount);
  const { anchorsPem } = home;
  await cameras.ask(z.string(), 'open', { anchorsPem, papers, port, isHoming: true });
  await cameras.tell('stream', true);
  await delay(streamingMs, undefined);
  const busy = describe(`agent recording ${cameraCount} cameras of 4 Mbit/s, without rings`, agent.pid, 80);
  await cameras.tell('stream', false);
  return [idle, busy];
}

function describe(what: string, pid: number, atMost: number): Row {
  const { residentMiB, proportionalMiB, anonymousMiB } = memoryOf(pid);
  return {
    what,
    figure: residentMiB,
    unit: 'MiB',
    target: { of: 'figure', atMost },
    note: `resident, from sources and not from a bundle; proportional ${proportionalMiB.toFixed(0)}, anonymous ${anonymousMiB.toFixed(0)} MiB`,
  };
}
