import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { AgentProcess } from '../support/agent-process.ts';
import { LiveHome } from '../support/live-home.ts';
import { type MountedDisk, mountLoop, mountMemory, mountThin } from '../support/mounted-disk.ts';
import { describeWith } from '../support/needs.ts';

/** A home whose better server, `pi`, records on a disk of the test; `nuc` is there beside it, `shed` has the camera. */
interface DiskHome {
  readonly home: LiveHome;
  readonly pi: AgentProcess;
  readonly nuc: AgentProcess;
  readonly shed: AgentProcess;
}

const requiresRecord = ', selection: {requires: [record]}';

async function withDisk<Disk>(
  mount: (folder: string) => Promise<{ readonly disk: MountedDisk; readonly whole: Disk }>,
  body: (around: DiskHome & { readonly disk: Disk }) => Promise<void>,
): Promise<void> {
  const home = await LiveHome.open();
  const { disk, whole } = await mount(home.folder);
  try {
    const recordings = `${disk.path}/recordings`;
    await home.addServer('pi', { features: ['record', 'gpu'] }, recordings);
    await home.addServer('nuc');
    await home.addBridge('shed', ['door']);
    await home.writeCameras('shed', ['door'], requiresRecord);
    const pi = await home.start('pi', '--recordings', recordings, '--sink-health-ms', '1000');
    const nuc = await home.start('nuc');
    await pi.until('linked');
    const shed = await home.start('shed');
    await shed.until('connected', ({ to }) => to === 'pi');
    // Something is durable, and the fail-over list is told.
    await delay(1500);
    await body({ home, pi, nuc, shed, disk: whole });
  } finally {
    disk.unmount();
    await home.close();
  }
}

/** The feature goes, the camera leaves for the other server, and nothing that was acked is needed for it. */
async function expectMovedAway({ pi, shed }: DiskHome): Promise<void> {
  const [away] = await shed.until('handedOver', ({ from, to }) => from === 'pi' && to === 'nuc');
  expect(away).toMatchObject({ framesLost: 0 });
  await pi.until('announced', ({ features }) => !features.includes('record'));
  expect(pi.of('warning').map(({ reason }) => reason)).toEqual(
    expect.arrayContaining(['SinkUnhealthy', 'FeatureLost']),
  );
}

/** The disk works again: after its time of health the feature is announced, and the camera comes back. */
async function expectCameBack({ pi, shed }: DiskHome): Promise<void> {
  const [back] = await shed.until('handedOver', ({ from, to }) => from === 'nuc' && to === 'pi');
  expect(back).toMatchObject({ reason: 'rank', framesLost: 0 });
  expect(pi.of('announced').at(-1)?.features).toContain('record');
}

// Concurrent, as each waits most of the time: for the 10 s after which a disk counts as stuck, or a ring as waited for enough.
describeWith(['root', 'loop-disk'], 'a disk under a server', () => {
  it.concurrent('that is full takes the feature away; the camera moves, and comes back when there is room', async () => {
    const mount = async (folder: string) => {
      const disk = await mountMemory(`${folder}/disk`, 64);
      return { disk, whole: disk };
    };
    await withDisk(mount, async ({ disk, ...around }) => {
      await disk.fill();
      await expectMovedAway(around);
      const { server } = await around.home.status('pi');
      expect(server?.missingFeatures).toEqual(['record']);
      await disk.empty();
      await expectCameBack(around);
      await around.home.expectNothingLost();
    });
  });

  it.concurrent('that fails ends the session; the camera begins anew elsewhere, and comes back', async () => {
    const mount = async (folder: string) => {
      const { disk, space } = await mountThin(folder);
      return {
        disk: {
          ...disk,
          unmount: () => {
            disk.unmount();
            space.unmount();
          },
        },
        whole: space,
      };
    };
    await withDisk(mount, async ({ disk, ...around }) => {
      await disk.fill();
      await expectMovedAway(around);
      expect(
        around.pi
          .of('warning')
          .map(({ message }) => message)
          .join(),
      ).toContain('fdatasync');
      await disk.empty();
      await expectCameBack(around);
      await around.home.expectNothingLost();
    });
  });

  it.concurrent('that is slow moves nobody; one that hangs takes its feature away and holds up nothing else', async () => {
    const mount = async (folder: string) => {
      const disk = await mountLoop(`${folder}/image`, `${folder}/disk`, 256);
      return { disk, whole: disk };
    };
    await withDisk(mount, async ({ disk, ...around }) => {
      const { home, pi, nuc, shed } = around;
      for (let round = 0; round < 2; round += 1) {
        disk.freeze();
        await delay(3000);
        disk.thaw();
        await delay(500);
      }
      await shed.until('warning', ({ reason }) => reason === 'durableLag');
      expect(shed.of('disconnected')).toEqual([]);
      expect(pi.of('warning').filter(({ reason }) => reason === 'FeatureLost')).toEqual([]);

      disk.freeze();
      await expectMovedAway(around);
      const { server } = await home.status('pi');
      expect(server?.missingFeatures).toEqual(['record']);
      expect([...pi.of('unlinked'), ...nuc.of('unlinked')]).toEqual([]);
      disk.thaw();
      await expectCameBack(around);

      // Its own end does not wait for the disk either: only the kernel keeps the process until the disk is there.
      disk.freeze();
      pi.signal('SIGTERM');
      await pi.until('stopped');
      await shed.until('handedOver', ({ to }) => to === 'nuc', 2);
      disk.thaw();
      await pi.ended;
      await home.expectNothingLost();
    });
  });
});
