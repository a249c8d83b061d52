/**
 * What a stranger on the network can do to a home: thousands of bad announcements a second, also in the name of a server that
 * is linked, and connections that want to wear out the port, while cameras stream. Prints what it measured; asserted are only
 * the promises: nothing lost, no link lost, memory bounded. `HOMING_FLOOD_SECONDS` makes each flood last longer than 5 s.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { z } from 'zod';
import { type AgentProcess, runHoming } from '../support/agent-process.ts';
import { FloodStage, cpuSecondsOf } from '../support/flood-stage.ts';
import { describeWith } from '../support/needs.ts';
import type { NetworkedHome } from '../support/networked-home.ts';

const floodSeconds = Number(process.env['HOMING_FLOOD_SECONDS'] ?? 5);
/** Far above what any of it takes: a leak under 80,000 messages a second is a gigabyte in no time. */
const maxResidentMiB = 512;
const report: Record<string, unknown>[] = [];

afterAll(() => {
  for (const figures of report) process.stdout.write(`${JSON.stringify(figures)}\n`);
});

describeWith(['root', 'ip'], 'a stranger on the network', () => {
  it('hurts no stream and no link, with 80,000 bad announcements a second and hundreds of bad connections', async () => {
    await using stage = await FloodStage.open();
    const { home, camera } = stage;
    const [pi, nuc] = stage.servers;

    /** Lets something go on for a while, and notes what it cost. */
    const measure = async (what: string, act: () => Promise<Record<string, unknown>>): Promise<void> => {
      await stage.acks();
      const [cpuBefore, unreadBefore] = await Promise.all([cpuSecondsOf(nuc), unreadBy(nuc)]);
      const figures = await act();
      const { acks, longestMs } = await stage.acks();
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
    const floodAt = (perSecond: number) => stage.flood(perSecond, floodSeconds);

    await measure('nothing', () => delay(2000, {}));
    await measure('20,000 a second', () => floodAt(20_000));
    await measure('80,000 a second', () => floodAt(80_000));
    const callers = await stage.attackConnections();
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
