/**
 * What a stranger on the network can do to a home: thousands of bad announcements a second, also in the name of a server that
 * is linked, and connections that want to wear out the port, while cameras stream. Prints what it measured; asserted are only
 * the promises: nothing lost, no link lost, memory bounded. `HOMING_FLOOD_SECONDS` makes each flood last longer than 5 s.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { z } from 'zod';
import { type Identity, loadIdentity } from '../../tls/identity.ts';
import { signAnnouncement } from '../../protocol/announcements.ts';
import { everyClient, isServerId } from '../../protocol/identifiers.ts';
import { type AgentProcess, runHoming } from '../support/agent-process.ts';
import { AskedProgram } from '../support/asked-program.ts';
import { mintHome } from '../support/certificates.ts';
import { describeWith } from '../support/needs.ts';
import { NetworkedHome } from '../support/networked-home.ts';
import type { TopologyHost } from '../support/topology.ts';

const floodSeconds = Number(process.env['HOMING_FLOOD_SECONDS'] ?? 5);
/** Far above what any of it takes: a leak under 80,000 messages a second is a gigabyte in no time. */
const maxResidentMiB = 512;
const report: Record<string, unknown>[] = [];

const flood = z.object({ sent: z.number(), perSecond: z.number() });
const meter = z.object({ acks: z.number(), longestMs: z.number() });

afterAll(() => {
  for (const figures of report) process.stdout.write(`${JSON.stringify(figures)}\n`);
});

describeWith(['root', 'ip'], 'a stranger on the network', () => {
  it('hurts no stream and no link, with 80,000 bad announcements a second and hundreds of bad connections', async () => {
    await using home = await NetworkedHome.open(['lan']);
    const hosts = addHosts(home);
    const [pi, nuc] = await Promise.all([
      home.startServer('pi', hosts.pi, { features: ['record'] }),
      home.startServer('nuc', hosts.nuc, { features: ['record', 'gpu'] }),
    ]);
    await Promise.all([pi.until('linked'), nuc.until('linked')]);
    const camera = await home.startCamera(hosts.cam, ['--server', '10.1.0.12:17320']);
    await camera.until('connected', ({ to }) => to === 'nuc');
    await home.write('meter', await home.certificates.client('yard/meter'));
    const watch = start(home, hosts.cam, 'ack-meter', ['10.1.0.12', '17320', ...keysOf(home, 'meter')]);
    const messages = await writeMessages(home);

    /** Lets something go on for a while, and notes what it cost. */
    const measure = async (what: string, act: () => Promise<Record<string, unknown>>): Promise<void> => {
      await watch.ask();
      const [cpuBefore, unreadBefore] = await Promise.all([cpuSecondsOf(nuc), unreadBy(nuc)]);
      const figures = await act();
      const { acks, longestMs } = meter.parse(await watch.ask());
      const [cpuAfter, unreadAfter] = await Promise.all([cpuSecondsOf(nuc), unreadBy(nuc)]);
      report.push({
        what,
        ...figures,
        notReadByNuc: unreadAfter - unreadBefore,
        nucCpuSeconds: Number((cpuAfter - cpuBefore).toFixed(1)),
        acks,
        longestAckGapMs: longestMs,
      });
      expect(acks).toBeGreaterThan(0);
      expect(longestMs).toBeLessThan(3000);
    };
    const floodAt = async (perSecond: number) => {
      const args = ['10.1.0.66', `${perSecond}`, `${floodSeconds}`, ...messages];
      return flood.parse(await start(home, hosts.mallory, 'attack-flood', args).answer());
    };

    await measure('nothing', () => delay(2000, {}));
    await measure('20,000 a second', () => floodAt(20_000));
    await measure('80,000 a second', () => floodAt(80_000));
    await home.write('stolen', await home.certificates.client('yard/stolen'));
    const callers = start(home, hosts.mallory, 'attack-connections', [
      '10.1.0.12',
      '17320',
      ...keysOf(home, 'stolen'),
    ]);
    await measure('bad connections', () => delay(floodSeconds * 1000, {}));
    await measure('80,000 a second and bad connections', () => floodAt(80_000));
    report.push({ what: 'connections', ...z.record(z.string(), z.number()).parse(await callers.ask()) });
    await callers.kill();

    for (const agent of [pi, nuc]) {
      const residentMiB = await peakMiBOf(agent);
      report.push({ what: `peak of ${agent === pi ? 'pi' : 'nuc'}`, residentMiB });
      expect(agent.of('unlinked')).toEqual([]);
      expect(agent.of('linked')).toHaveLength(1);
      expect(residentMiB).toBeLessThan(maxResidentMiB);
    }
    report.push({ what: 'dropped by nuc', ...(await droppedBy(home, 'nuc')) });
    expect(camera.of('disconnected')).toEqual([]);
    expect(camera.of('handedOver')).toEqual([]);
    const { totals, isWhole } = await home.finish(camera);
    report.push({ what: 'the camera', ...totals });
    expect(totals).toMatchObject({ lost: 0, damaged: 0 });
    expect(isWhole).toBe(true);
  });
});

function addHosts(home: NetworkedHome) {
  const add = (name: string, last: number) =>
    home.addHost(name, { eth0: { segment: 'lan', addresses: [`10.1.0.${last}/24`] } });
  return { pi: add('pi', 11), nuc: add('nuc', 12), cam: add('cam', 13), mallory: add('mallory', 66) };
}

function start(
  home: NetworkedHome,
  { namespace }: TopologyHost,
  name: string,
  args: readonly string[],
): AskedProgram {
  const program = new AskedProgram(namespace, name, args);
  home.ends(() => program.kill());
  return program;
}

function keysOf(home: NetworkedHome, name: string): readonly string[] {
  return [home.path('ca.crt'), home.path(`${name}.crt`), home.path(`${name}.key`)];
}

/**
 * What the flood is made of, once its signatures are broken: messages of both servers, which are linked to each other and
 * know their own; of a server of this home that is not here; of another home's; and noise that only begins well.
 */
async function writeMessages(home: NetworkedHome): Promise<readonly string[]> {
  const stranger = await (await mintHome()).server('mallory');
  const noise = Buffer.alloc(1000, 7);
  noise.set([0x30, 0x82, 0x03, 0xe4]);
  const messages = {
    pi: announcementOf(await identityOf(home, 'pi')),
    nuc: announcementOf(await identityOf(home, 'nuc')),
    absent: announcementOf(await home.certificates.server('absent')),
    stranger: announcementOf(stranger),
    noise,
  };
  return Promise.all(
    Object.entries(messages).map(async ([name, message]) => {
      await writeFile(home.path(`${name}.der`), message);
      return home.path(`${name}.der`);
    }),
  );
}

function identityOf(home: NetworkedHome, name: string): Promise<Identity> {
  return loadIdentity(home.path(`${name}.crt`), home.path(`${name}.key`));
}

function announcementOf(identity: Identity): Uint8Array {
  const { id } = identity.leaf;
  if (!isServerId(id)) throw new Error(`${id} is no server`);
  const from = { id, address: { ip: '10.1.0.66', port: 17_320 } };
  const order = { boot: Date.now() + 86_400_000, seq: 1 };
  const says = { features: ['record', 'gpu', 'npu'], connected: 0, max: 100, order, also: [] };
  return signAnnouncement({ kind: 'subscribe', to: everyClient, from, ...says }, identity, Date.now());
}

async function droppedBy(home: NetworkedHome, name: string): Promise<Readonly<Record<string, number>>> {
  const { stdout } = await runHoming('status', '--state', home.path('state', name), '--json');
  const status = z.object({ server: z.object({ dropped: z.record(z.string(), z.number()) }) });
  return status.parse(JSON.parse(stdout)).server.dropped;
}

async function peakMiBOf({ pid }: AgentProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024);
}

/** Datagrams that the kernel dropped, as the process did not come to read them. 43A8 is UDP 17320. */
async function unreadBy({ pid }: AgentProcess): Promise<number> {
  const sockets = (await readFile(`/proc/${pid}/net/udp`, 'utf8'))
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  const [, dropped] = sockets.flatMap((fields) =>
    fields[1]?.endsWith(':43A8') === true ? [0, fields.at(-1)] : [],
  );
  return Number(dropped ?? 0);
}

/** User and system time, by the clock tick of Linux, 100 a second. */
async function cpuSecondsOf({ pid }: AgentProcess): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
