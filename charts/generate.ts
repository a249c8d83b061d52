/** `npm run chart`: writes what follows from `values.ts`: values.yaml, values.schema.json and the table in the README. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { renderSchema, renderTable, renderValues } from './rendering.ts';
import { values } from './values.ts';

const chart = path.join(import.meta.dirname, 'homing');
const markers = ['<!-- begin values: npm run chart -->\n', '<!-- end values -->'] as const;

/** Path in the chart and content of each file that is generated. */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const schema = z.toJSONSchema(values, { target: 'draft-7', io: 'input', reused: 'inline' });
  const readme = await readFile(path.join(chart, 'README.md'), 'utf8');
  const [begin, end] = markers;
  const from = readme.indexOf(begin) + begin.length;
  const to = readme.indexOf(end);
  if (from < begin.length || to < from)
    throw new Error('charts/homing/README.md: the markers of the values are missing');
  return new Map([
    ['values.yaml', renderValues(schema)],
    ['values.schema.json', renderSchema(schema)],
    ['README.md', `${readme.slice(0, from)}\n${renderTable(schema)}\n${readme.slice(to)}`],
  ]);
}

if (import.meta.main) {
  for (const [file, content] of await generatedFiles()) await writeFile(path.join(chart, file), content);
}
