import { spawnSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StreamAddress } from '../../agent/sinks/sink.ts';
import { checkFiles } from '../../cli/check-files.ts';
import { checkRecordings } from '../../cli/check.ts';
import { keep, record, testFrames } from '../support/check-home.ts';

const door: StreamAddress = { name: 'default/door', stream: 'main', term: 5, media: 'video/mp2t' };
const sensor: StreamAddress = {
  name: 'default/sensor',
  stream: 'main',
  term: 7,
  media: 'application/x-ndjson',
};
const frames = testFrames(90);
const film = Buffer.concat(frames);
/** Where a frame begins. */
const at = (frame: number): number => frames.slice(0, frame).reduce((sum, { length }) => sum + length, 0);

let directory = '';
let kept = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'homing-check-'));
  kept = join(directory, 'kept');
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

describe('a check of recordings', () => {
  it('joins the parts of two servers, and counts what both have as repeated', async () => {
    keep(directory, door, film);
    const pi = await record(directory, door, { server: 'pi', source: film, from: 0, to: at(50) });
    const nuc = await record(directory, door, { server: 'nuc', source: film, from: at(45), to: film.length });
    const report = await checkRecordings({ reference: kept, recordings: [pi, nuc] });
    expect(report.totals).toMatchObject({
      frames: 90,
      lost: 0,
      damaged: 0,
      bytes: film.length,
      bytesLost: 0,
    });
    // The scanner's idea of where a frame begins may be its tables or its picture.
    expect(report.totals.repeated).toBeGreaterThanOrEqual(4);
    expect(report.totals.repeated).toBeLessThanOrEqual(6);
    expect(report.isWhole).toBe(true);
  });

  it('counts what is in no recording as lost', async () => {
    keep(directory, door, film);
    const pi = await record(directory, door, { server: 'pi', source: film, from: 0, to: at(30) });
    const nuc = await record(directory, door, { server: 'nuc', source: film, from: at(40), to: film.length });
    const report = await checkRecordings({ reference: kept, recordings: [pi, nuc] });
    expect(report.totals).toMatchObject({ frames: 90, lost: 10, damaged: 0, bytesLost: at(40) - at(30) });
    expect(report.isWhole).toBe(false);
  });

  it('counts a frame with another byte as damaged', async () => {
    keep(directory, door, film);
    const pi = await record(directory, door, { server: 'pi', source: film, from: 0, to: film.length });
    const path = join(pi, 'default/door/main/5-0.ts');
    const bytes = await readFile(path);
    // The last byte of a picture; what is behind may be stuffing.
    bytes[at(21) - 3] = (bytes[at(21) - 3] ?? 0) ^ 0x10;
    await writeFile(path, bytes);
    const { totals, isWhole } = await checkRecordings({ reference: kept, recordings: [pi] });
    expect(totals).toMatchObject({ frames: 90, lost: 0, damaged: 1, bytesDamaged: 1 });
    expect(isWhole).toBe(false);
  });

  it('says where two recordings of the same bytes differ', async () => {
    keep(directory, door, film);
    const pi = await record(directory, door, { server: 'pi', source: film, from: 0, to: film.length });
    const other = Buffer.from(film);
    other.fill(0, at(60), at(60) + 400);
    const nuc = await record(directory, door, {
      server: 'nuc',
      source: other,
      from: at(45),
      to: film.length,
    });
    const report = await checkRecordings({ reference: kept, recordings: [pi, nuc] });
    expect(report.totals.damaged).toBe(0);
    expect(report.cameras[0]?.problems.join()).toContain('recordings differ somewhere');
    expect(report.isWhole).toBe(false);
  });

  it('counts a camera that nobody recorded as lost, and looks at each start by itself', async () => {
    for (const term of [5, 6]) keep(directory, { ...door, term }, film);
    const pi = await record(directory, door, { server: 'pi', source: film, from: 0, to: film.length });
    const { totals } = await checkRecordings({ reference: kept, recordings: [pi] });
    expect(totals).toMatchObject({ frames: 180, lost: 90 });
  });

  it('refuses a reference whose frames are alike, or that has none', async () => {
    keep(directory, door, Buffer.concat([film, film]));
    const source = Buffer.concat([film, film]);
    const pi = await record(directory, door, { server: 'pi', source, from: 0, to: source.length });
    const alike = await checkRecordings({ reference: kept, recordings: [pi] });
    expect(alike.cameras[0]?.problems.join()).toContain('the reference proves nothing');
    expect(alike.isWhole).toBe(false);
    await mkdir(join(directory, 'empty'));
    const none = await checkRecordings({ reference: join(directory, 'empty'), recordings: [pi] });
    expect(none.problems.join()).toContain('the reference proves nothing');
    expect(none.isWhole).toBe(false);
  });

  it('leaves alone what a source that still gives has given last, and only then', async () => {
    keep(directory, door, film);
    const path = join(kept, 'default/door/main/5-0.ts');
    const pi = await record(directory, door, { server: 'pi', source: film, from: 0, to: at(80) });
    const ended = await checkRecordings({ reference: kept, recordings: [pi] });
    expect(ended.totals).toMatchObject({ lost: 10, bytesUnderWay: 0 });
    const checking = checkRecordings({ reference: kept, recordings: [pi] });
    await delay(200);
    await appendFile(path, testFrames(91)[90] ?? '');
    const growing = await checking;
    expect(growing.totals).toMatchObject({ lost: 0, damaged: 0, bytesUnderWay: film.length - at(80) });
    expect(growing.isWhole).toBe(true);
  });

  it('counts lines by where they are, as sensors say the same thing often', async () => {
    const source = Buffer.from('{"c":21}\n'.repeat(100));
    keep(directory, sensor, source);
    const pi = await record(directory, sensor, { server: 'pi', source, from: 0, to: 450 });
    const nuc = await record(directory, sensor, { server: 'nuc', source, from: 441, to: 900 });
    expect((await checkRecordings({ reference: kept, recordings: [pi, nuc] })).totals).toMatchObject({
      frames: 100,
      lost: 0,
      repeated: 1,
    });
    expect((await checkRecordings({ reference: kept, recordings: [pi] })).totals).toMatchObject({ lost: 50 });
  });

  it('counts lines however short they are', async () => {
    const source = Buffer.alloc(300_000, '\n');
    keep(directory, sensor, source);
    const pi = await record(directory, sensor, { server: 'pi', source, from: 0, to: 300_000 });
    const { totals, isWhole } = await checkRecordings({ reference: kept, recordings: [pi] });
    expect(totals).toMatchObject({ frames: 300_000, lost: 0 });
    expect(isWhole).toBe(true);
  });

  it('compares plain bytes by bytes', async () => {
    const address: StreamAddress = { ...sensor, name: 'default/pc', media: 'application/octet-stream' };
    const source = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 256));
    keep(directory, address, source);
    const pi = await record(directory, address, { server: 'pi', source, from: 0, to: 700 });
    const nuc = await record(directory, address, { server: 'nuc', source, from: 600, to: 900 });
    expect((await checkRecordings({ reference: kept, recordings: [pi, nuc] })).totals).toMatchObject({
      frames: 1000,
      lost: 100,
      repeated: 100,
      damaged: 0,
    });
  });
});

describe('a check of plain files', () => {
  it('compares by frames, over files in their order and over recordings', async () => {
    const file = join(directory, 'film.ts');
    const [first, second] = [join(directory, 'first.ts'), join(directory, 'second.ts')];
    await writeFile(file, film);
    await writeFile(first, film.subarray(0, at(45)));
    await writeFile(second, film.subarray(at(45)));
    expect((await checkFiles(file, [first, second])).isWhole).toBe(true);
    expect((await checkFiles(file, [first])).totals).toMatchObject({ frames: 90, lost: 45 });
    expect((await checkFiles(file, [second, first])).cameras[0]?.problems.join()).toContain('another order');
    const pi = await record(directory, door, { server: 'pi', source: film, from: 0, to: film.length });
    expect((await checkFiles(file, [pi])).isWhole).toBe(true);
  });

  it('compares plain bytes by place', async () => {
    const [a, b] = [join(directory, 'a.bin'), join(directory, 'b.bin')];
    await writeFile(a, 'abcdef');
    await writeFile(b, 'abXd');
    expect((await checkFiles(a, [b])).totals).toMatchObject({ frames: 6, lost: 2, damaged: 1 });
    expect((await checkFiles(a, [a])).isWhole).toBe(true);
  });
});

describe('homing check', () => {
  const run = (...args: string[]): { code: number | null; out: string; err: string } => {
    const homing = join(import.meta.dirname, '../../bin/homing');
    const { status, stdout, stderr } = spawnSync(homing, ['check', ...args], { encoding: 'utf8' });
    return { code: status, out: stdout, err: stderr };
  };

  it('exits 0 where nothing is lost, 1 where something is, 2 for wrong usage', async () => {
    keep(directory, door, film);
    const pi = await record(directory, door, { server: 'pi', source: film, from: 0, to: at(45) });
    const lost = run(kept, pi);
    expect(lost.code).toBe(1);
    expect(lost.out).toMatch(/default\/door +90 +45 +0 +0/);
    const nuc = await record(directory, door, { server: 'nuc', source: film, from: at(45), to: film.length });
    const whole = run(kept, pi, nuc, '--json');
    expect(whole.code).toBe(0);
    expect(whole.out.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(whole.out)).toMatchObject({ isWhole: true, totals: { frames: 90, lost: 0 } });
    expect(run(kept, join(directory, 'nothing'))).toMatchObject({
      code: 2,
      err: expect.stringContaining('ENOENT'),
    });
    expect(run(kept)).toMatchObject({
      code: 2,
      err: expect.stringContaining("missing required argument 'recording'"),
    });
  });

  it('asks for one camera where a file is compared with the recordings of several', async () => {
    const file = join(directory, 'film.ts');
    await writeFile(file, film);
    await record(directory, door, { server: 'pi', source: film, from: 0, to: film.length });
    const gate = { ...door, name: 'default/gate' };
    const pi = await record(directory, gate, { server: 'pi', source: film, from: 0, to: film.length });
    expect(run(file, pi)).toMatchObject({
      code: 2,
      err: expect.stringContaining('name the folder of one of them'),
    });
  });
});
