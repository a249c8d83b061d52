/** Parts of pages that follow from the sources: held to them by tests, written by `npm run docs`. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';

const root = path.join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

/** The text between two markers of a page is as computed; UPDATE_DOCS=1 (`npm run docs`) writes it instead. */
export function expectSection(file: string, name: string, text: string): void {
  const page = read(file);
  const [begin, end] = [`<!-- begin ${name}: npm run docs -->\n`, `<!-- end ${name} -->`];
  const from = page.indexOf(begin) + begin.length;
  const to = page.indexOf(end);
  expect(from >= begin.length && to >= from, `${file} has the markers of ${name}`).toBe(true);
  const section = `\n${text}\n`;
  if (process.env['UPDATE_DOCS'] === '1')
    writeFileSync(path.join(root, file), page.slice(0, from) + section + page.slice(to));
  expect(read(file).slice(from, read(file).indexOf(end))).toBe(section);
}
