/** Bad announcements, 20,000 and 80,000 a second, also in the names of linked peers, while a camera streams. */
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { FloodStage } from '../test/support/flood-stage.ts';
import type { Outcome, Row } from './report.ts';

const quietMs = 3000;
const floodSeconds = 5;
const rates = [20_000, 80_000] as const;

export async function benchFlood(): Promise<readonly Outcome[]> {
  const isHere = process.getuid?.() === 0 && spawnSync('ip', ['-V']).status === 0;
  if (!isHere) return [{ what: 'a flood', skipped: 'needs root and iproute2, for network namespaces' }];
  await using stage = await FloodStage.open();
  const quiet = await longestGapMs(stage, () => delay(quietMs, undefined));
  const gaps: Row[] = [];
  for (const rate of rates) {
    let note = '';
    const figure = await longestGapMs(stage, async () => {
      const { perSecond } = await stage.flood(rate, floodSeconds);
      note = `${Math.round(perSecond).toLocaleString('en')} a second were sent, by a process on the same cores`;
    });
    gaps.push({
      what: `${rate.toLocaleString('en')} bad announcements a second, longest time between two acks`,
      figure,
      unit: 'ms',
      peer: { what: 'without a flood', figure: quiet },
      target: { of: 'figure', atMost: 300 },
      note,
    });
  }
  return [...gaps, ...(await countHarm(stage))];
}

async function longestGapMs(stage: FloodStage, act: () => Promise<unknown>): Promise<number> {
  await stage.acks();
  await act();
  return (await stage.acks()).longestMs;
}

async function countHarm({ home, servers, camera }: FloodStage): Promise<readonly Row[]> {
  const target = { of: 'figure', atMost: 0 } as const;
  const links = servers.flatMap((server) => server.of('unlinked')).length;
  const moves = camera.of('disconnected').length + camera.of('handedOver').length;
  const { totals } = await home.finish(camera);
  return [
    { what: 'both floods, linked peers lost', figure: links, unit: 'links', target },
    {
      what: 'both floods, frames lost or damaged',
      figure: totals.lost + totals.damaged,
      unit: 'frames',
      target,
      note: `${moves} times the camera left its server`,
    },
  ];
}
