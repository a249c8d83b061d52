import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { lookAtFiles, watchFiles } from '../../../agent/control/file-watch.ts';

interface Watched {
  readonly folder: string;
  /** Changes that were told so far. */
  readonly count: () => number;
  /** Resolves with `count` when there was one more. */
  readonly next: () => Promise<number>;
  readonly close: () => Promise<void>;
}

/** A folder of its own; what `fill` puts there is what was read first. */
async function watching(
  body: (watched: Watched) => Promise<void>,
  fill: (folder: string) => Promise<void> = async () => {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'homing-watch-'));
  await fill(folder);
  let changes = 0;
  const watch = watchFiles({
    places: [folder],
    firstLook: await lookAtFiles([folder]),
    onChange: async () => {
      changes += 1;
    },
  });
  const next = async (): Promise<number> => {
    const before = changes;
    await vi.waitUntil(() => changes > before, { timeout: 15_000 });
    return changes;
  };
  try {
    await body({ folder, count: () => changes, next, close: () => watch.close() });
  } finally {
    await watch.close();
    await rm(folder, { recursive: true });
  }
}

// Concurrent, as each waits for looks.
describe.concurrent('watched files', () => {
  it('that are added, written, replaced or removed are told of, one change at a time', async () => {
    await watching(async ({ folder, next }) => {
      const file = join(folder, 'a.yaml');
      await writeFile(file, 'one');
      expect(await next()).toBe(1);
      await writeFile(file, 'two, longer');
      expect(await next()).toBe(2);
      await writeFile(join(folder, 'a.new'), 'three and longer');
      await rename(join(folder, 'a.new'), file);
      expect(await next()).toBe(3);
      await rm(file);
      expect(await next()).toBe(4);
    });
  });

  it('that Kubernetes mounts are told of when their folder is swapped', async () => {
    const fill = async (folder: string): Promise<void> => {
      for (const version of ['1', '2']) {
        await mkdir(join(folder, `..${version}`));
        await writeFile(join(folder, `..${version}`, 'a.yaml'), version);
      }
      await symlink('..1', join(folder, '..data'));
      await symlink('..data/a.yaml', join(folder, 'a.yaml'));
    };
    await watching(async ({ folder, next }) => {
      await symlink('..2', join(folder, '..next'));
      await rename(join(folder, '..next'), join(folder, '..data'));
      expect(await next()).toBe(1);
    }, fill);
  });

  it('that are none of ours are not looked at', async () => {
    await watching(async ({ folder, count }) => {
      await writeFile(join(folder, 'state.json.new'), 'x');
      await writeFile(join(folder, '.a.yaml.swp'), 'x');
      await delay(2000);
      expect(count()).toBe(0);
    });
  });

  it('are not told of before they have stayed the same for a while', async () => {
    await watching(async ({ folder, count, next }) => {
      let size = 1;
      const writing = setInterval(() => void writeFile(join(folder, 'a.crt'), 'x'.repeat((size += 1))), 30);
      await delay(2500);
      expect(count()).toBe(0);
      clearInterval(writing);
      expect(await next()).toBe(1);
    });
  });

  it('are let be once it is closed', async () => {
    await watching(async ({ folder, count, close }) => {
      await close();
      await writeFile(join(folder, 'a.key'), 'x');
      await delay(2000);
      expect(count()).toBe(0);
    });
  });
});
