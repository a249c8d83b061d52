import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseIndexLine } from '../../../agent/sinks/record-index.ts';
import { openRecordSink } from '../../../agent/sinks/record.ts';
import { hashFrames } from '../../../protocol/media/frame-hashes.ts';
import { testFrames } from '../../support/check-home.ts';
import { joinRecordings } from '../../support/join-recordings.ts';

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'homing-segments-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

const frames = testFrames(150);
const film = Buffer.concat(frames);

/** Records the film in about six files; gives their folder. */
async function recordFilm(): Promise<string> {
  const sink = await openRecordSink(
    { directory, keepFreeBytes: 0, segment: { segmentBytes: film.length / 6 }, emit: () => undefined },
    { onDurable: () => undefined, onHealth: () => undefined },
  );
  const stream = sink.open({ name: 'default/door', stream: 'main', term: 5, media: 'video/mp2t' });
  stream.begin({ offset: 0, timeMs: 1_790_000_000_000, why: 'start' });
  for (const [index, frame] of frames.entries()) {
    stream.write(frame, true);
    // Lets the disk have its turns, so that cuts show when bytes before them are written already.
    if (index % 10 === 0) await delay(30);
  }
  await stream.close();
  await sink.close();
  return join(directory, 'default/door/main');
}

describe('segments of a video', () => {
  it('each begin with a key frame, play by themselves, and join without a seam', async () => {
    const folder = await recordFilm();
    const files = (await readdir(folder))
      .filter((name) => name.endsWith('.ts'))
      .sort((a, b) => Number(/-(\d+)/.exec(a)?.[1]) - Number(/-(\d+)/.exec(b)?.[1]));
    expect(files.length).toBeGreaterThanOrEqual(4);
    const hashes = [];
    for (const file of files) {
      const segment = hashFrames(await readFile(join(folder, file)));
      expect(segment[0]?.isKey).toBe(true);
      hashes.push(...segment.map(({ hash }) => hash));
    }
    expect(hashes).toEqual(hashFrames(film).map(({ hash }) => hash));
    const joined = await joinRecordings([directory]);
    expect(joined).toMatchObject({ first: 0, notes: [], problems: [] });
    expect(joined.bytes.equals(film)).toBe(true);
  });

  it('have a line at each key frame, by the client’s clock and the presentation times', async () => {
    const folder = await recordFilm();
    const lines = (await readFile(join(folder, 'index.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map(parseIndexLine);
    const places = lines.flatMap((line) =>
      line?.pts !== undefined && (line.why === 'cut' || line.why === 'segment')
        ? [[line.time, line.pts] as const]
        : [],
    );
    // Ten seconds, a key frame each.
    const seconds = [...new Set(places.map(([time]) => Math.round((time - 1_790_000_000_000) / 1000)))];
    expect(seconds).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const [time, pts] of places) {
      expect(Math.abs((pts - 126_000) / 90 - (time - 1_790_000_000_000))).toBeLessThan(2);
    }
  });
});
