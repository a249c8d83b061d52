/** What the test camera sees: a frame counter, a block that wanders, and a coloured background, in macroblocks. */

/** In macroblocks of 16 × 16: at least 8 × 4. */
export interface PictureSize {
  readonly widthMbs: number;
  readonly heightMbs: number;
}

/** The samples of one macroblock as I_PCM has them: 256 of luma, 64 of Cb, 64 of Cr. None is 0, so none needs escaping. */
export type Tile = Uint8Array;

/** A macroblock and what it shows. */
export interface Patch {
  readonly mb: number;
  readonly tile: Tile;
}

/** Eight digits last 77 days at 15 frames a second: no two frames of a recording look the same. */
const digitCount = 8;
const digitRows = 2;
/** Rows of three bits, as on a pocket calculator. */
const glyphs = ['75557', '26227', '71747', '71717', '55711', '74717', '74757', '71111', '75757', '75717'];
const luma = { background: 48, panel: 24, ink: 220, block: 235 } as const;

/** Pictures of one camera. */
export class TestPicture {
  readonly #size: PictureSize;
  readonly #background: readonly Tile[];
  readonly #digits: readonly (readonly Tile[])[];
  readonly #block: Tile;
  /** A digit is so many macroblocks wide. */
  readonly #digitMbs: number;

  /** @param seed gives each camera its own colours */
  constructor(size: PictureSize, seed: number) {
    this.#size = size;
    this.#digitMbs = size.widthMbs >= 2 * digitCount ? 2 : 1;
    const chroma = [64 + ((seed * 83) & 0x7f), 64 + ((seed * 47 + 32) & 0x7f)] as const;
    this.#background = Array.from({ length: size.widthMbs * size.heightMbs }, (_, mb) =>
      plainTile(luma.background + (((mb % size.widthMbs) + Math.floor(mb / size.widthMbs)) % 16) * 6, chroma),
    );
    this.#digits = glyphs.map((rows) => glyphTiles(rows, this.#digitMbs));
    this.#block = plainTile(luma.block, [chroma[1], chroma[0]]);
  }

  /** Every macroblock of frame `frame`. */
  whole(frame: number): readonly Patch[] {
    const tiles = [...this.#background];
    for (const { mb, tile } of [...this.#counter(frame), this.#blockAt(frame)]) tiles[mb] = tile;
    return tiles.map((tile, mb) => ({ mb, tile }));
  }

  /** What differs from the frame before, and the whole counter always: else frames that skip alike would hash alike. */
  changes(frame: number): readonly Patch[] {
    const gone = this.#blockAt(frame - 1).mb;
    const tile = this.#background[gone];
    const restored = tile === undefined ? [] : [{ mb: gone, tile }];
    const moved = [...restored, this.#blockAt(frame)].toSorted((a, b) => a.mb - b.mb);
    return [...this.#counter(frame), ...moved];
  }

  /** Ordered by macroblock: the counter is above the block's row. */
  #counter(frame: number): readonly Patch[] {
    const { widthMbs, heightMbs } = this.#size;
    const text = String(frame % 10 ** digitCount).padStart(digitCount, '0');
    const left = Math.floor((widthMbs - digitCount * this.#digitMbs) / 2);
    const top = Math.floor((heightMbs - 1 - digitRows) / 2);
    const patches: Patch[] = [];
    for (let row = 0; row < digitRows; row += 1) {
      for (let column = 0; column < digitCount * this.#digitMbs; column += 1) {
        const digit = this.#digits[Number(text[Math.floor(column / this.#digitMbs)])];
        const tile = digit?.[row * this.#digitMbs + (column % this.#digitMbs)];
        if (tile !== undefined) patches.push({ mb: (top + row) * widthMbs + left + column, tile });
      }
    }
    return patches;
  }

  #blockAt(frame: number): Patch {
    const { widthMbs, heightMbs } = this.#size;
    return { mb: (heightMbs - 1) * widthMbs + (frame % widthMbs), tile: this.#block };
  }
}

function plainTile(y: number, [cb, cr]: readonly [number, number]): Tile {
  const tile = new Uint8Array(384);
  tile.fill(y, 0, 256);
  tile.fill(cb, 256, 320);
  tile.fill(cr, 320);
  return tile;
}

/** A digit as tiles, by rows: its 3 × 5 dots, each 4 (or 8) × 5 samples, in the middle of 32 rows. */
function glyphTiles(rows: string, widthMbs: number): readonly Tile[] {
  const dotWidth = 4 * widthMbs;
  const margin = 2 * widthMbs;
  return Array.from({ length: widthMbs * digitRows }, (_, index) => {
    const tile = plainTile(luma.panel, [128, 128]);
    for (let sample = 0; sample < 256; sample += 1) {
      const x = (index % widthMbs) * 16 + (sample % 16) - margin;
      const y = Math.floor(index / widthMbs) * 16 + Math.floor(sample / 16) - 3;
      const bits = x < 0 || y < 0 ? 0 : Number(rows[Math.floor(y / 5)] ?? 0);
      if ((bits >> (2 - Math.floor(x / dotWidth))) & 1) tile[sample] = luma.ink;
    }
    return tile;
  });
}
