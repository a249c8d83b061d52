import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PlacedBytes, compareBytes, countDifferent } from '../../../protocol/media/byte-check.ts';

const source = Buffer.from('abcdefghijklmnopqrstuvwxyz');

function piece(from: number, to: number, bytes = source): PlacedBytes {
  return { offset: from, bytes: bytes.subarray(from, to) };
}

async function* stream(pieces: readonly PlacedBytes[]): AsyncGenerator<PlacedBytes> {
  yield* pieces;
}

/** What was compared, as text: `offset recorded`, a hole as dots. */
async function compare(
  reference: readonly PlacedBytes[],
  recorded: readonly PlacedBytes[],
): Promise<{ readonly text: string; readonly lost: number; readonly damaged: number }> {
  let [text, lost, damaged] = ['', 0, 0];
  for await (const found of compareBytes(stream(reference), stream(recorded))) {
    const copy = found.recorded ?? Buffer.alloc(found.reference.length, '.');
    expect(copy.length).toBe(found.reference.length);
    text = text.padEnd(found.offset) + Buffer.from(copy).toString();
    if (found.recorded === undefined) lost += found.reference.length;
    else damaged += countDifferent(found.reference, found.recorded);
  }
  return { text, lost, damaged };
}

const whole = [piece(0, 26)];

describe('bytes against a reference', () => {
  it('are whole wherever the pieces of either end', async () => {
    const apart = [piece(0, 5), piece(5, 6), piece(6, 26)];
    for (const [reference, recorded] of [
      [whole, apart],
      [apart, whole],
      [apart, [piece(0, 20), piece(20, 26)]],
    ] as const) {
      expect(await compare(reference, recorded)).toEqual({ text: source.toString(), lost: 0, damaged: 0 });
    }
  });

  it('are lost where no piece has them', async () => {
    const { text, lost } = await compare(whole, [piece(2, 10), piece(12, 20)]);
    expect(text).toBe('..cdefghij..mnopqrst......');
    expect(lost).toBe(10);
    expect(await compare(whole, [])).toMatchObject({ lost: 26 });
  });

  it('are damaged where they differ', async () => {
    const wrong = Buffer.from(source);
    wrong[5] = 0;
    wrong[25] = 0;
    expect(await compare(whole, [piece(0, 26, wrong)])).toMatchObject({ lost: 0, damaged: 2 });
  });

  it('are not looked at where the reference has none, but read to their end', async () => {
    let isRead = false;
    async function* recorded(): AsyncGenerator<PlacedBytes> {
      yield piece(0, 26);
      yield piece(26, 30, Buffer.alloc(30));
      isRead = true;
    }
    const offsets = [];
    const reference = [piece(3, 8), piece(20, 26)];
    for await (const { offset } of compareBytes(stream(reference), recorded())) offsets.push(offset);
    expect(offsets).toEqual([3, 20]);
    expect(isRead).toBe(true);
  });

  it('are found as looking at each would find them', async () => {
    const edges = fc.uniqueArray(fc.nat(26), { maxLength: 12 }).map((all) => all.toSorted((a, b) => a - b));
    const pairs = edges.map((all) =>
      all.flatMap((from, index) =>
        index % 2 === 0 && all[index + 1] !== undefined ? [piece(from, all[index + 1] ?? 0)] : [],
      ),
    );
    const has = (pieces: readonly PlacedBytes[], at: number): boolean =>
      pieces.some(({ offset, bytes }) => offset <= at && at < offset + bytes.length);
    await fc.assert(
      fc.asyncProperty(pairs, pairs, async (reference, recorded) => {
        const places = Array.from(source, (_, at) => at).filter((at) => has(reference, at));
        const { lost, damaged } = await compare(reference, recorded);
        expect(lost).toBe(places.filter((at) => !has(recorded, at)).length);
        expect(damaged).toBe(0);
      }),
    );
  });
});
