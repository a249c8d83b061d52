/** From a linked peer's change to the redirect at each client, beside lines echoed over TLS. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { BenchHome, papersOf } from './home.ts';
import { Program, launcherOptions } from './program.ts';
import { type Outcome, median, percentile } from './report.ts';
import { until } from './until.ts';

const clientCount = 100;
const rounds = 10;
/** An announcement that changes goes out at most twice a second: the next change must not find the last one fresh. */
const settleMs = 700;
const room = 1000;

export async function benchRedirectLatency(): Promise<readonly Outcome[]> {
  await using home = await BenchHome.open();
  const { anchorsPem } = home;
  const clients = await home.clients(clientCount);
  await using stack = new AsyncDisposableStack();
  const here = stack.use(new Program('home-server', launcherOptions()));
  const peer = stack.use(new Program('home-server', launcherOptions()));
  const bare = stack.use(new Program('bare-server'));
  const cameras = stack.use(new Program('listening-clients'));
  const echoes = stack.use(new Program('bare-clients'));
  const [port = 0, peerPort, barePort] = await Promise.all(
    [here, peer, bare].map(async (server, index) =>
      server.ask(z.number(), 'open', { anchorsPem, papers: papersOf(await home.server(`s${index}`)) }),
    ),
  );
  const peers = [`127.0.0.1:${port}`, `127.0.0.1:${peerPort}`];
  await here.tell('configure', { features: ['one'], max: room, peers });
  await peer.tell('configure', { features: [], max: room, peers });
  await echoes.tell('shakeHands', { anchorsPem, papers: clients, port: barePort });
  await until(async () => (await here.ask(z.number(), 'linked')) > 0);

  const redirects: number[] = [];
  const lines: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await cameras.tell('open', { anchorsPem, papers: clients, port });
    await delay(settleMs, undefined);
    lines.push(...(await echoes.ask(z.array(z.number()), 'echo')));
    const changedMs = await peer.ask(z.number(), 'configure', { features: ['one', 'two'], max: room, peers });
    const told = () => cameras.ask(z.array(z.number()), 'redirected');
    await until(async () => (await told()).length === clientCount);
    redirects.push(...(await told()).map((atMs) => atMs - changedMs));
    await cameras.tell('close');
    await peer.tell('configure', { features: [], max: room, peers });
    await delay(settleMs, undefined);
  }
  return [
    {
      what: `a linked peer's change to the redirect at the client, p99, ${clientCount} clients`,
      figure: percentile(redirects, 0.99),
      unit: 'ms',
      peer: {
        what: `${clientCount} lines echoed at once by node:tls, p99`,
        figure: percentile(lines, 0.99),
      },
      target: { of: 'figure', atMost: 100 },
      note: `${redirects.length} redirects, median ${median(redirects).toFixed(1)} ms; echo median ${median(lines).toFixed(1)} ms`,
    },
  ];
}
