/**
 * From a server's death to the first ack elsewhere: its process is killed, or its cable is out and nobody says a word. Agents are
 * real processes with a recording that is synced once a second, cameras are agents without a server. Pairs of servers die
 * independently of each other, each time the one that has the cameras, and come back.
 */
import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { AgentProcess, freePorts } from '../test/support/agent-process.ts';
import { type NamespaceHost, makeNetwork } from '../test/support/namespaces.ts';
import { agentPlace } from './agents.ts';
import { BenchHome, papersOf } from './home.ts';
import { Program } from './program.ts';
import { type Outcome, median, percentile } from './report.ts';
import { until } from './until.ts';

const camerasPerPair = 3;
const port = 17_320;
const settleMs = 1500;
const names = ['a', 'b'] as const;
type Name = (typeof names)[number];

/** One pair of servers and the cameras that know both. */
interface Pair {
  readonly cameras: AgentProcess;
  die(name: Name): Promise<void>;
  /** Resolves when it would be taken for a server again. */
  comeBack(name: Name): Promise<void>;
}

export async function benchFailOver(): Promise<readonly Outcome[]> {
  const killed = await benchKills();
  return [...killed, ...(await benchCables())];
}

async function benchKills(): Promise<readonly Outcome[]> {
  const [pairs, deaths] = [2, 10];
  await using stack = new AsyncDisposableStack();
  const started = await Promise.all(Array.from({ length: pairs }, () => openLoopbackPair(stack)));
  const samples = await Promise.all(started.map((pair) => killInTurn(pair, deaths)));
  return [
    {
      what: `server killed (SIGKILL) to first ack elsewhere, p99`,
      figure: percentile(samples.flat(), 0.99),
      unit: 'ms',
      peer: { what: 'one mutual handshake by node:tls', figure: await measureHandshake() },
      target: { of: 'figure', atMost: 1500 },
      note: describe(samples.flat(), pairs * deaths),
    },
  ];
}

async function benchCables(): Promise<readonly Outcome[]> {
  const [pairs, deaths] = [4, 5];
  const what = 'server without power (its link is down) to first ack elsewhere, p99';
  const isHere = process.getuid?.() === 0 && spawnSync('ip', ['-V']).status === 0;
  if (!isHere) return [{ what, skipped: 'needs root and iproute2, for network namespaces' }];
  await using stack = new AsyncDisposableStack();
  const started: Pair[] = [];
  for (let pair = 0; pair < pairs; pair += 1) started.push(await openNetworkPair(stack));
  const samples = await Promise.all(started.map((pair) => killInTurn(pair, deaths)));
  return [
    {
      what,
      figure: percentile(samples.flat(), 0.99),
      unit: 'ms',
      peer: {
        what: 'the silence that is waited for (1,000 ms) and one mutual handshake by node:tls',
        figure: 1000 + (await measureHandshake()),
      },
      target: { of: 'figure', atMost: 1500 },
      note: describe(samples.flat(), pairs * deaths),
    },
  ];
}

function describe(samples: readonly number[], deaths: number): string {
  const [middle, worst] = [median(samples), Math.max(...samples)].map(Math.round);
  return `${samples.length} cameras moved in ${deaths} deaths; median ${middle} ms, longest ${worst} ms`;
}

/** @returns milliseconds from each death to the first ack elsewhere, of each camera */
async function killInTurn(pair: Pair, deaths: number): Promise<readonly number[]> {
  const samples: number[] = [];
  for (let death = 0; death < deaths; death += 1) {
    const victim = await settle(pair.cameras);
    const before = pair.cameras.of('handedOver').length;
    const diedAt = Date.now();
    await pair.die(victim);
    const moved = () => pair.cameras.of('handedOver').slice(before);
    await until(() => moved().length >= camerasPerPair);
    samples.push(...moved().map(({ time }) => Date.parse(time) - diedAt));
    await pair.comeBack(victim);
  }
  return samples;
}

/** Waits until all cameras are at one server, and have been for a while. */
async function settle(cameras: AgentProcess): Promise<Name> {
  for (;;) {
    const places = placesOf(cameras);
    await delay(settleMs * (0.75 + Math.random() / 2), undefined);
    const [place] = places;
    const isSettled = places.join() === placesOf(cameras).join() && new Set(places).size === 1;
    const name = names.find((one) => one === place);
    if (isSettled && places.length === camerasPerPair && name !== undefined) return name;
  }
}

function placesOf(cameras: AgentProcess): readonly string[] {
  const last = new Map<string, string>();
  for (const { client, to } of cameras.of('connected')) last.set(client, to);
  for (const { client, to } of cameras.of('handedOver')) last.set(client, to);
  return [...last.values()];
}

interface Place {
  readonly name: string;
  readonly namespace?: string;
  readonly address: string;
}

type Places = Readonly<Record<Name | 'cameras', Place>>;

async function openLoopbackPair(stack: AsyncDisposableStack): Promise<Pair> {
  const [first = 0, second = 0] = await freePorts(2);
  const place = (name: string, at: number): Place => ({ name, address: `127.0.0.1:${at}` });
  const places = { a: place('a', first), b: place('b', second), cameras: place('cameras', 0) };
  const { cameras, servers, start } = await openPair(places, stack);
  return {
    cameras,
    die: async (name) => {
      await servers[name].end('SIGKILL');
    },
    comeBack: async (name) => {
      servers[name] = await start(name);
      await servers[name].until('linked');
    },
  };
}

async function openNetworkPair(stack: AsyncDisposableStack): Promise<Pair> {
  const network = stack.use(makeNetwork([...names, 'cameras']));
  const hostOf = (name: Name | 'cameras'): NamespaceHost => {
    const host = network.hosts.find((one) => one.name === name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  };
  const place = (name: Name | 'cameras'): Place => {
    const { namespace, address } = hostOf(name);
    return { name, namespace, address: `${address}:${port}` };
  };
  const places = { a: place('a'), b: place('b'), cameras: place('cameras') };
  const { cameras, servers } = await openPair(places, stack);
  return {
    cameras,
    die: (name) => {
      hostOf(name).setCable(false);
      return Promise.resolve();
    },
    comeBack: async (name) => {
      const survivor = servers[name === 'a' ? 'b' : 'a'];
      // Its own call decides whom a server sends its cameras to; the other's call may have outlived the cable.
      await until(() => survivor.of('unlinked').length >= survivor.of('linked').length);
      hostOf(name).setCable(true);
      await until(() => survivor.of('linked').length > survivor.of('unlinked').length);
    },
  };
}

async function openPair(places: Places, stack: AsyncDisposableStack) {
  const home = stack.use(await BenchHome.open());
  await mkdir(home.path('certs'));
  const clients = await home.clients(camerasPerPair);
  for (const [index, own] of clients.entries()) await home.write(`certs/c${index}`, own);
  for (const name of names) await home.write(name, await home.server(name));
  const start = async (name: Name | 'cameras'): Promise<AgentProcess> => {
    const documents = name === 'cameras' ? camerasOf(places) : [serverOf(name, places)];
    const agent = new AgentProcess(
      await home.writeAgent(name, documents),
      agentPlace(places[name].namespace),
    );
    stack.defer(async () => {
      await agent.end('SIGKILL');
    });
    await agent.until('started');
    return agent;
  };
  const servers = { a: await start('a'), b: await start('b') };
  await Promise.all([servers.a.until('linked'), servers.b.until('linked')]);
  return { servers, start, cameras: await start('cameras') };
}

function serverOf(name: Name, places: Places): object {
  const listen = Number(places[name].address.split(':')[1]);
  const interfaces = [places[name].namespace === undefined ? 'lo' : 'eth0'];
  return {
    kind: 'HomeServer',
    metadata: { name },
    spec: {
      listen: { port: listen },
      announce: { enabled: false, interfaces },
      peers: names.map((one) => places[one].address),
      sinks: [{ name: 'disk', record: { keepFree: '1Mi' } }],
    },
  };
}

function camerasOf(places: Places): readonly object[] {
  const servers = names.map((name) => ({
    kind: 'HomeServer',
    metadata: { name },
    spec: { external: { address: places[name].address } },
  }));
  const cameras = Array.from({ length: camerasPerPair }, (_, index) => ({
    kind: 'CameraClient',
    metadata: { name: `c${index}`, namespace: 'bench' },
    spec: { source: { test: { fps: 25, gop: 50 } }, bridge: { servers: ['cameras'] } },
  }));
  return [...servers, ...cameras];
}

/** The median of some, one at a time. */
async function measureHandshake(): Promise<number> {
  await using home = await BenchHome.open();
  await using server = new Program('bare-server');
  await using client = new Program('bare-clients');
  const { anchorsPem } = home;
  const own = papersOf(await home.server('bare'));
  const at = await server.ask(z.number(), 'open', { anchorsPem, papers: own });
  const one = await home.clients(1);
  const samples: number[] = [];
  for (let round = 0; round < 21; round += 1) {
    samples.push(await client.ask(z.number(), 'shakeHands', { anchorsPem, papers: one, port: at }));
    await client.tell('hangUp');
  }
  return median(samples);
}
