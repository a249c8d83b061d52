/** A hundred streams of 4 Mbit/s through one agent, beside haproxy that terminates the same TLS for a sink that discards. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { AgentProcess, freePorts } from '../test/support/agent-process.ts';
import { agentPlace } from './agents.ts';
import { BenchHome, type Papers, papersOf } from './home.ts';
import { cpuSecondsOf } from './machine.ts';
import { Program } from './program.ts';
import type { Outcome, Row } from './report.ts';
import { until } from './until.ts';

const streamCount = 100;
const rounds = 3;
const roundMs = 4000;
/** After a side begins to stream, before its time is taken. */
const warmMs = 1000;

interface Side {
  readonly what: string;
  readonly pid: number;
  readonly crowd: Program;
  cpuSeconds: number;
  bytes: number;
}

export async function benchStreams(): Promise<readonly Outcome[]> {
  const what = `${streamCount} streams of 4 Mbit/s through one agent with TLS`;
  if (spawnSync('haproxy', ['-v']).status !== 0) {
    return [{ what, skipped: 'needs haproxy; test/setup installs what Debian has' }];
  }
  await using home = await BenchHome.open();
  await using stack = new AsyncDisposableStack();
  const clients = await home.clients(streamCount);
  const [proxyPort = 0, plainPort = 0, recordPort = 0, barePort = 0] = await freePorts(4);
  const sides = [
    await openSide('haproxy', clients, { home, stack, port: proxyPort, open: startProxy }),
    await openSide('node:tls', clients, { home, stack, port: barePort, open: startBare }),
    await openSide('plain', clients, { home, stack, port: plainPort, open: startAgent }),
    await openSide('record', clients, { home, stack, port: recordPort, open: startAgent }),
  ] as const;
  for (let round = 0; round < rounds; round += 1) for (const side of sides) await measure(side);
  const [proxy, bare, plain, record] = sides;
  const note = `user and system time; ${sides.map(describeSide).join('; ')}`;
  const peer = { what: 'haproxy, to a sink that discards', figure: costOf(proxy) };
  const row = { unit: 'CPU s/GB', peer } as const;
  const rows: readonly Row[] = [
    { ...row, what: `${what}, no sink`, figure: costOf(plain), target: { of: 'ratio', atMost: 1.3 }, note },
    {
      ...row,
      what: `${what}, no sink, beside node:tls`,
      figure: costOf(plain),
      peer: { what: 'node:tls alone that discards', figure: costOf(bare) },
    },
    { ...row, what: `${what}, recorded and synced once a second`, figure: costOf(record) },
  ];
  return rows;
}

interface Opening {
  readonly home: BenchHome;
  readonly stack: AsyncDisposableStack;
  readonly port: number;
  /** Starts what takes the streams at the port. @returns its process */
  readonly open: (name: string, opening: Opening) => Promise<number>;
}

async function openSide(what: string, clients: readonly Papers[], opening: Opening): Promise<Side> {
  const { home, stack, port, open } = opening;
  const pid = await open(what, opening);
  const crowd = stack.use(new Program('stream-clients'));
  const isHoming = open === startAgent;
  const cipher = await crowd.ask(z.string(), 'open', {
    anchorsPem: home.anchorsPem,
    papers: clients,
    port,
    isHoming,
  });
  return { what: `${what} (${cipher})`, pid, crowd, cpuSeconds: 0, bytes: 0 };
}

/** One side at a time streams, the others are connected and quiet. */
async function measure(side: Side): Promise<void> {
  const { crowd, pid } = side;
  await crowd.tell('stream', true);
  await delay(warmMs, undefined);
  const before = { cpu: cpuSecondsOf(pid), bytes: await crowd.ask(z.number(), 'sent') };
  await delay(roundMs, undefined);
  side.cpuSeconds += cpuSecondsOf(pid) - before.cpu;
  side.bytes += (await crowd.ask(z.number(), 'sent')) - before.bytes;
  await crowd.tell('stream', false);
  await delay(warmMs, undefined);
}

function costOf({ cpuSeconds, bytes }: Side): number {
  return (cpuSeconds / bytes) * 1e9;
}

function describeSide({ what, cpuSeconds, bytes }: Side): string {
  const seconds = (rounds * roundMs) / 1000;
  const share = Math.round((cpuSeconds / seconds) * 100);
  const rate = Math.round((bytes * 8) / seconds / 1e6);
  return `${what} ${rate} Mbit/s at ${share} % of a core`;
}

async function startAgent(name: string, { home, stack, port }: Opening): Promise<number> {
  await home.write(name, await home.server(name));
  const sinks = name === 'record' ? [{ name: 'disk', record: { keepFree: '1Mi' } }] : [];
  const spec = { features: ['record'], max: 2 * streamCount, listen: { port }, sinks };
  const agent = new AgentProcess(
    await home.writeAgent(name, [
      {
        kind: 'HomeServer',
        metadata: { name },
        spec: { ...spec, announce: { enabled: false, interfaces: ['lo'] } },
      },
    ]),
    agentPlace(),
  );
  stack.defer(async () => {
    await agent.end('SIGTERM');
  });
  await agent.until('started');
  return agent.pid;
}

async function startBare(_: string, { home, stack, port }: Opening): Promise<number> {
  const bare = stack.use(new Program('bare-sink'));
  const own = papersOf(await home.server('bare'));
  await bare.tell('open', { anchorsPem: home.anchorsPem, papers: own, port });
  return bare.pid;
}

async function startProxy(name: string, { home, stack, port }: Opening): Promise<number> {
  const sink = stack.use(new Program('discarding-sink'));
  const sinkPort = await sink.ask(z.number(), 'open');
  const { certificatePem, keyPem } = await home.server(name);
  await writeFile(home.path('proxy.pem'), certificatePem + keyPem, { mode: 0o600 });
  await writeFile(home.path('proxy.cfg'), proxySettings(home, port, sinkPort));
  const child = spawn('haproxy', ['-db', '-f', home.path('proxy.cfg')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const gone = once(child, 'exit');
  stack.defer(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  await until(() => isOpen(port, child));
  return child.pid ?? -1;
}

/** One thread, as ours has one; everything else as Debian ships it. */
function proxySettings(home: BenchHome, port: number, sinkPort: number): string {
  const tls = `ssl crt ${home.path('proxy.pem')} ca-file ${home.path('ca.crt')} verify required ssl-min-ver TLSv1.3 no-tls-tickets`;
  return `global
  nbthread 1
  maxconn 1000
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
frontend cameras
  bind 127.0.0.1:${port} ${tls}
  default_backend sink
backend sink
  server discard 127.0.0.1:${sinkPort}
`;
}

async function isOpen(port: number, child: ChildProcess): Promise<boolean> {
  if (child.exitCode !== null) throw new Error('haproxy has ended');
  const socket = connect(port, '127.0.0.1');
  const [event] = await Promise.race([
    once(socket, 'connect').then(() => ['open']),
    once(socket, 'error').then(() => ['closed']),
  ]).catch(() => ['closed']);
  socket.destroy();
  return event === 'open';
}
