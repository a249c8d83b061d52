import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createScanner } from '../../../protocol/media/scanners.ts';

describe('cuts of lines', () => {
  it('are behind each line feed, wherever the chunks end', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.nat(), fc.nat(100), (lines, start, cut) => {
        const bytes = Buffer.from(lines.map((line) => `${line.replaceAll('\n', '')}\n`).join(''));
        const scanner = createScanner('application/x-ndjson', start);
        const marks = [...scanner.push(bytes.subarray(0, cut)), ...scanner.push(bytes.subarray(cut))];
        expect(marks.every(({ kind }) => kind === 'cut')).toBe(true);
        expect(marks.map(({ offset }) => offset)).toEqual(
          [...bytes.entries()].filter(([, byte]) => byte === 10).map(([at]) => start + at + 1),
        );
      }),
    );
  });

  it('need nothing injected, and follow a source that began anew', () => {
    const scanner = createScanner('text/plain');
    scanner.push(Buffer.from('half a li'));
    scanner.restart(100);
    expect(scanner.push(Buffer.from('ab\n'))).toEqual([{ kind: 'cut', offset: 103, quality: 'idr' }]);
    expect(scanner.preamble()).toHaveLength(0);
    expect(scanner.elementaryPids).toEqual([]);
  });
});

describe('cuts of plain bytes', () => {
  it('are at the first byte and behind what came together', () => {
    const scanner = createScanner('application/octet-stream', 7);
    expect(scanner.push(Buffer.from('abc')).map(({ offset }) => offset)).toEqual([7, 10]);
    expect(scanner.push(Buffer.alloc(0))).toEqual([]);
    expect(scanner.push(Buffer.from('d')).map(({ offset }) => offset)).toEqual([11]);
    scanner.restart(50);
    expect(scanner.push(Buffer.from('e')).map(({ offset }) => offset)).toEqual([50, 51]);
  });
});
