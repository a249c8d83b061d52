import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IndexCompaction } from '../../../agent/sinks/record-compaction.ts';
import { RecordFolder } from '../../../agent/sinks/record-folder.ts';
import { type IndexLine, encodeIndexLine, parseIndexLine } from '../../../agent/sinks/record-index.ts';

let directory = '';
let path = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'homing-compaction-'));
  path = join(directory, 'default/door/main');
  await mkdir(path, { recursive: true });
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

function line(file: string, position: number): IndexLine {
  return { term: Number(file.split('-')[0]), offset: position, position, time: 1, why: 'safe', file };
}

async function filesInIndex(): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const text of (await readFile(join(path, 'index.jsonl'), 'utf8')).split('\n').slice(0, -1)) {
    const file = parseIndexLine(text)?.file ?? 'damaged';
    counts[file] = (counts[file] ?? 0) + 1;
  }
  return counts;
}

describe('the compaction of an index', () => {
  it('keeps the lines of files that are there, and of those made meanwhile', async () => {
    await writeFile(join(path, '1-0.ts'), '');
    const old = Array.from({ length: 20_000 }, (_, index) =>
      line(index % 3 === 0 ? '1-0.ts' : '2-0.ts', index),
    );
    await writeFile(join(path, 'index.jsonl'), `${old.map(encodeIndexLine).join('')}not a line\n`);
    const folder = new RecordFolder(directory, path);
    const compaction = new IndexCompaction(path);
    let steps = 0;
    for (let isDone = false; !isDone; steps += 1) {
      isDone = await compaction.step(folder);
      if (isDone) break;
      const { file, handle } = await folder.createSegment({ term: 3, offset: steps, media: 'video/mp2t' });
      await handle.close();
      await folder.append([line(file, 1), line('1-0.ts', 30_000 + steps)]);
    }
    expect(steps).toBeGreaterThan(1);
    await folder.append([line('1-0.ts', 40_000)]);
    await folder.close();
    const made = Object.fromEntries(Array.from({ length: steps }, (_, step) => [`3-${step}.ts`, 1]));
    expect(await filesInIndex()).toEqual({ '1-0.ts': 6667 + steps + 1, ...made });
    expect((await readdir(path)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('has nothing to do where there is no index', async () => {
    expect(await new IndexCompaction(path).step(undefined)).toBe(true);
    expect(await readdir(path)).toEqual([]);
  });
});
