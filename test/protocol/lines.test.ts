import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineReader } from '../../protocol/lines.ts';
import { fuzzRounds, fuzzTimeoutMs, seededRandom } from '../support/mutation.ts';

function readAll(reader: LineReader): string[] {
  const lines: string[] = [];
  for (let line = reader.next(); line !== undefined; line = reader.next()) {
    if (!line.ok) return [...lines, line.reason];
    lines.push(line.value);
  }
  return lines;
}

describe('lines', () => {
  it('come out as they went in, however the stream is cut', () => {
    const texts = fc.array(fc.string({ unit: fc.constantFrom(...'abc <>"\r'.split('')) }));
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 9 }), (written, length) => {
        const bytes = Buffer.from(written.map((line) => `${line}\n`).join(''), 'latin1');
        const reader = new LineReader();
        const read: string[] = [];
        for (let from = 0; from < bytes.length; from += length) {
          reader.push(bytes.subarray(from, from + length));
          read.push(...readAll(reader));
        }
        expect(read).toEqual(written);
      }),
    );
  });

  it('give what follows a line to another reader', () => {
    const reader = new LineReader();
    reader.push(Buffer.from('hello\nframes\nand more'));
    expect(reader.next()).toEqual({ ok: true, value: 'hello' });
    expect(Buffer.from(reader.rest()).toString()).toBe('frames\nand more');
    expect(reader.next()).toBeUndefined();
  });

  it('are too long above 8 KiB, ended or not, and for good', () => {
    const full = 'a'.repeat(8192);
    const reader = new LineReader();
    reader.push(Buffer.from(`${full}\n${full}`));
    expect(readAll(reader)).toEqual([full]);
    reader.push(Buffer.from('a'));
    expect(readAll(reader)).toEqual(['line-too-long']);
    reader.push(Buffer.from('\n'));
    expect(readAll(reader)).toEqual(['line-too-long']);
  });

  it('lose no byte that is not ASCII before it is judged', () => {
    const reader = new LineReader();
    reader.push(Buffer.from([0xc3, 0xa9, 0x00, 0x0a]));
    expect(reader.next()).toEqual({ ok: true, value: '\u00c3\u00a9\u0000' });
  });

  it('never come out longer than the limit, whatever comes', { timeout: fuzzTimeoutMs }, () => {
    const random = seededRandom(2);
    const rounds = fuzzRounds(2000);
    for (let round = 0; round < rounds; round += 1) {
      const reader = new LineReader(64);
      let hasProblem = false;
      for (let piece = 0; piece < 20 && !hasProblem; piece += 1) {
        const length = Math.floor(random() * 40);
        reader.push(Buffer.from(Array.from({ length }, () => (random() < 0.05 ? 10 : 97))));
        for (let line = reader.next(); line !== undefined && !hasProblem; line = reader.next()) {
          hasProblem = !line.ok;
          expect(line.ok ? line.value.length : 0).toBeLessThanOrEqual(64);
        }
      }
    }
  });
});
