import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mediaFile, openFileSource } from '../../../agent/sources/file.ts';
import { keepSource } from '../../../agent/sources/keep-source.ts';
import { PcrPacer } from '../../../agent/sources/pacing.ts';
import type { SourceListener } from '../../../agent/sources/source.ts';
import { openStdinSource } from '../../../agent/sources/stdin.ts';

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'homing-source-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

class Heard implements SourceListener {
  readonly chunks: Uint8Array[] = [];
  readonly calls: string[] = [];
  readonly ended = Promise.withResolvers<void>();
  onRestart(): void {
    this.calls.push('restart');
  }
  onBytes(bytes: Uint8Array): void {
    if (this.calls.at(-1) !== 'bytes') this.calls.push('bytes');
    this.chunks.push(bytes);
  }
  onState(state: { readonly ready: boolean; readonly reason: string }): void {
    this.calls.push(state.reason);
  }
  onEnd(): void {
    this.calls.push('end');
    this.ended.resolve();
  }
  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

/** Packets with a clock reference every third of them, `stepMs` apart. */
function transportStream(packets: number, stepMs: number, firstMs = 0): Buffer {
  const stream = Buffer.alloc(188 * packets, 0xff);
  for (let index = 0; index < packets; index += 1) {
    const at = index * 188;
    stream.set([0x47, 0x01, 0x00, 0x10], at);
    stream.writeUInt32BE(index, at + 100);
    if (index % 3 !== 0) continue;
    const base = (Math.round((firstMs + (index / 3) * stepMs) * 90) + 2 ** 33) % 2 ** 33;
    stream.set([0x47, 0x01, 0x00, 0x30, 7, 0x10], at);
    stream.writeUInt32BE(Math.floor(base / 2), at + 6);
    stream.set([((base % 2) << 7) | 0x7e, 0], at + 10);
  }
  return stream;
}

describe('pacing by clock references', () => {
  it('keeps every byte in order, however the file is read, and gives the same times', () => {
    const input = Buffer.concat([Buffer.from('junk'), transportStream(30, 40), Buffer.from('torn')]);
    const whole = new PcrPacer();
    const times = new Map(
      whole.push(input).map(({ bytes, dueMs }) => [bytes.byteOffset - input.byteOffset, dueMs]),
    );
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1 }), (sizes) => {
        const pacer = new PcrPacer();
        const parts: Uint8Array[] = [];
        for (let at = 0, turn = 0; at < input.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          parts.push(...pacer.push(input.subarray(at, at + size)).map(({ bytes }) => bytes));
          at += size;
        }
        parts.push(pacer.flush().bytes);
        expect(Buffer.concat(parts).equals(input)).toBe(true);
      }),
    );
    expect([...times.values()].map(Math.round)).toEqual([0, 0, 40, 80, 120, 160, 200, 240, 280, 320, 360]);
  });

  it('keeps no more of a chunk than its last, partial packet', () => {
    const pacer = new PcrPacer();
    pacer.push(Buffer.concat([transportStream(300, 40), Buffer.from('torn')]));
    expect(pacer.flush().bytes.buffer.byteLength).toBe(4);
  });

  it('goes on over a wrap of the clock and over a splice', () => {
    const wrapMs = 2 ** 33 / 90;
    const last = (stream: Buffer): number => Math.round(new PcrPacer().push(stream).at(-1)?.dueMs ?? -1);
    expect(last(transportStream(30, 40, wrapMs - 100))).toBe(360);
    expect(last(Buffer.concat([transportStream(30, 40), transportStream(30, 40, 5_000_000)]))).toBe(720);
  });

  it('gives a stream without references a pace too', () => {
    const stream = transportStream(3000, 40);
    for (let at = 0; at < stream.length; at += 188) stream.set([0x10, 0xff], at + 3);
    const pacer = new PcrPacer();
    const first = pacer.push(stream.subarray(0, 188 * 2000));
    expect(first[0]?.dueMs).toBe(0);
    expect(pacer.push(stream.subarray(188 * 2000))[0]?.dueMs).toBeGreaterThan(1000);
  });
});

describe('a file as a source', () => {
  it('is played at its own pace, once', async () => {
    const path = join(directory, 'once.ts');
    await writeFile(path, transportStream(30, 50));
    const heard = new Heard();
    const startedAt = performance.now();
    const source = openFileSource({ path, media: 'video/mp2t', loop: false }, heard);
    await heard.ended.promise;
    expect(performance.now() - startedAt).toBeGreaterThan(400);
    expect(heard.bytes.equals(await readFile(path))).toBe(true);
    expect(heard.calls).toEqual(['Playing', 'bytes', 'end']);
    await source.close();
  });

  it('begins anew, as another source session, where it loops', async () => {
    const path = join(directory, 'loop.ts');
    await writeFile(path, transportStream(6, 1));
    const heard = new Heard();
    const source = openFileSource({ path, media: 'video/mp2t', loop: true }, heard);
    while (heard.bytes.length < 188 * 18) await delay(5);
    await source.close();
    expect(heard.calls.slice(0, 5)).toEqual(['Playing', 'bytes', 'Playing', 'restart', 'bytes']);
    expect(heard.calls).not.toContain('end');
    const calls = heard.calls.length;
    await delay(100);
    expect(heard.calls).toHaveLength(calls);
  });

  it('says that it is missing, and ends where it does not loop', async () => {
    const heard = new Heard();
    const source = openFileSource({ path: join(directory, 'none'), media: 'text/plain', loop: false }, heard);
    await heard.ended.promise;
    expect(heard.calls).toEqual(['ReadFailed', 'end']);
    await source.close();
  });

  it('waits while it is paused', async () => {
    const path = join(directory, 'paused.txt');
    await writeFile(path, 'x'.repeat(100_000));
    const heard = new Heard();
    const source = openFileSource({ path, media: 'text/plain', loop: false, bytesPerSecond: 200_000 }, heard);
    source.setPaused?.(true);
    await delay(200);
    const { length } = heard.bytes;
    expect(length).toBeLessThan(30_000);
    source.setPaused?.(false);
    await heard.ended.promise;
    expect(heard.bytes).toHaveLength(100_000);
    await source.close();
  });

  it('is named by a name below the media directory, never by a path', () => {
    expect(mediaFile('/media', 'gate.ts')).toBe('/media/gate.ts');
    for (const name of ['../x', 'a/b', '.hidden', '', '..', 'a\0b', '/etc/passwd', 'a\nb']) {
      expect(mediaFile('/media', name)).toBeUndefined();
    }
  });
});

describe('standard input as a source', () => {
  it('gives what comes until it ends', async () => {
    const input = new PassThrough();
    const heard = new Heard();
    const source = openStdinSource({ input }, heard);
    input.write('one');
    input.end('two');
    await heard.ended.promise;
    expect(heard.bytes.toString()).toBe('onetwo');
    expect(heard.calls).toEqual(['Reading', 'bytes', 'Ended', 'end']);
    await source.close();
  });

  it('stops the writer while it is paused, and says nothing after it is closed', async () => {
    const input = new PassThrough({ highWaterMark: 1000 });
    const heard = new Heard();
    const source = openStdinSource({ input }, heard);
    source.setPaused?.(true);
    while (input.write('x'.repeat(500))) await delay(1);
    await delay(20);
    expect(heard.bytes).toHaveLength(0);
    source.setPaused?.(false);
    while (heard.bytes.length < 1000) await delay(1);
    await source.close();
    expect(heard.calls).toEqual(['Reading', 'bytes']);
  });
});

describe('a source that is kept', () => {
  const address = { name: 'default/door', stream: 'main', term: 9, media: 'text/plain' } as const;

  it('is on disk byte for byte before it is handed on', async () => {
    const heard = new Heard();
    const path = join(directory, 'default/door/main/9-0.txt');
    const kept = keepSource(directory, address, heard);
    kept.listener.onBytes(Buffer.from('one'));
    expect(await readFile(path, 'utf8')).toBe('one');
    kept.listener.onRestart();
    kept.listener.onBytes(Buffer.from('two'));
    kept.listener.onEnd();
    kept.close();
    kept.close();
    expect(await readFile(path, 'utf8')).toBe('onetwo');
    expect(heard.calls).toEqual(['bytes', 'restart', 'bytes', 'end']);
    expect(() => keepSource(directory, address, heard)).toThrow('EEXIST');
  });

  it('refuses names that would leave its directory', () => {
    expect(() => keepSource(directory, { ...address, name: '../x' }, new Heard())).toThrow(
      'not namespace/name',
    );
  });
});
