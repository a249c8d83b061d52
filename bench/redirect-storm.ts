/** A thousand clients sent away at once, beside a thousand full mutual handshakes by node:tls alone. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { BenchHome, type Papers, papersOf } from './home.ts';
import { loadNow } from './machine.ts';
import { Program, launcherOptions } from './program.ts';
import { type Outcome, median } from './report.ts';
import { until } from './until.ts';

const clientCount = 1000;
const rounds = 3;
const room = 2 * clientCount;
const batch = 50;
const settleMs = 1500;

export async function benchRedirectStorm(): Promise<readonly Outcome[]> {
  await using home = await BenchHome.open();
  const clients = await home.clients(clientCount);
  const storms: number[] = [];
  const handshakes: number[] = [];
  await using storm = new AsyncDisposableStack();
  const move = await openStorm(home, clients, storm);
  await using bare = new AsyncDisposableStack();
  const shake = await openBare(home, clients, bare);
  const what = `${clientCount} TLS clients redirected, to the last first ack at the other server`;
  for (let round = 0; round < rounds; round += 1) {
    handshakes.push(await shake());
    const moved = await move().catch((error: unknown) => String(error));
    if (typeof moved === 'string')
      return [{ what, skipped: `not all had moved in time, load ${loadNow().toFixed(1)}: ${moved}` }];
    storms.push(moved);
  }
  return [
    {
      what,
      figure: median(storms) / 1000,
      unit: 's',
      peer: {
        what: `${clientCount} full mutual TLS 1.3 handshakes by node:tls alone`,
        figure: median(handshakes) / 1000,
      },
      target: { of: 'figure', atMost: 1.5 },
      note: `median of ${rounds}: ${seconds(storms)}; handshakes ${seconds(handshakes)}; all on the cores of this machine`,
    },
  ];
}

function seconds(samples: readonly number[]): string {
  return `${samples.map((ms) => (ms / 1000).toFixed(2)).join(', ')} s`;
}

/** Two linked servers and all clients at the first. @returns what moves them all to the other one */
async function openStorm(
  home: BenchHome,
  clients: readonly Papers[],
  stack: AsyncDisposableStack,
): Promise<() => Promise<number>> {
  const servers = [
    stack.use(new Program('home-server', launcherOptions())),
    stack.use(new Program('home-server', launcherOptions())),
  ] as const;
  const crowd = stack.use(new Program('moving-clients', launcherOptions()));
  const ports: number[] = [];
  for (const [index, server] of servers.entries()) {
    const own = papersOf(await home.server(`s${index}`));
    ports.push(await server.ask(z.number(), 'open', { anchorsPem: home.anchorsPem, papers: own }));
  }
  const peers = ports.map((port) => `127.0.0.1:${port}`);
  let [from, to] = servers;
  await from.tell('configure', { features: ['better'], max: room, peers });
  await to.tell('configure', { features: [], max: room, peers });
  await until(async () => (await to.ask(z.number(), 'linked')) > 0);
  await gather(crowd, from, { anchorsPem: home.anchorsPem, clients, port: ports[0] });
  return async () => {
    await crowd.tell('forget');
    const startMs = await from.ask(z.number(), 'configure', { features: ['better'], max: 0, peers });
    await until(async () => (await crowd.ask(z.array(z.number()), 'moved')).length === clients.length);
    const moved = await crowd.ask(z.array(z.number()), 'moved');
    [from, to] = [to, from];
    // Only a drain moves them, so nobody waits for its move budget.
    await from.tell('configure', { features: ['better'], max: room, peers });
    await to.tell('configure', { features: [], max: room, peers });
    await delay(settleMs, undefined);
    return Math.max(...moved) - startMs;
  };
}

/** A few at a time: this is not what is measured. */
async function gather(
  crowd: Program,
  server: Program,
  { clients, ...rest }: { anchorsPem: string; clients: readonly Papers[]; port: number | undefined },
): Promise<void> {
  for (let at = 0; at < clients.length; at += batch) {
    const some = clients.slice(at, at + batch);
    await crowd.tell('open', { ...rest, papers: some });
    await until(async () => (await server.ask(z.number(), 'connected')) === at + some.length);
  }
}

/** @returns what lets all clients shake hands at once, and hang up */
async function openBare(
  home: BenchHome,
  clients: readonly Papers[],
  stack: AsyncDisposableStack,
): Promise<() => Promise<number>> {
  const { anchorsPem } = home;
  const server = stack.use(new Program('bare-server'));
  const crowd = stack.use(new Program('bare-clients'));
  const identity = papersOf(await home.server('bare'));
  const port = await server.ask(z.number(), 'open', { anchorsPem, papers: identity });
  return async () => {
    const milliseconds = await crowd.ask(z.number(), 'shakeHands', { anchorsPem, papers: clients, port });
    await crowd.tell('hangUp');
    return milliseconds;
  };
}
