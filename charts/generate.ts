/**
 * `npm run chart`: writes what follows from the sources beside it: values.yaml, values.schema.json and the table in the
 * README from `values.ts`, the alerts and the dashboard.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { ruleGroups } from './alerts.ts';
import { dashboard } from './dashboard.ts';
import { renderSchema, renderTable, renderValues } from './rendering.ts';
import { values } from './values.ts';

const chart = path.join(import.meta.dirname, 'homing');
const markers = ['<!-- begin values: npm run chart -->\n', '<!-- end values -->'] as const;

/** Path in the chart and content of each file that is generated. */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const schema = z.toJSONSchema(values, {
    target: 'draft-7',
    io: 'input',
    // Whoever sets a value to null takes the default away, and is not to hear that it is required.
    override: ({ jsonSchema }) => void delete jsonSchema.required,
  });
  return new Map([
    ['values.yaml', renderValues(schema)],
    ['values.schema.json', renderSchema(schema)],
    ['README.md', await readmeWith(renderTable(schema))],
    ['files/alerts.yaml', stringify(ruleGroups(), { lineWidth: 0 })],
    ['files/dashboard.json', `${JSON.stringify(dashboard(), undefined, 2)}\n`],
  ]);
}

async function readmeWith(table: string): Promise<string> {
  const readme = await readFile(path.join(chart, 'README.md'), 'utf8');
  const [begin, end] = markers;
  const from = readme.indexOf(begin) + begin.length;
  const to = readme.indexOf(end);
  if (from < begin.length || to < from)
    throw new Error('charts/homing/README.md: the markers of the values are missing');
  return `${readme.slice(0, from)}\n${table}\n${readme.slice(to)}`;
}

if (import.meta.main) {
  await mkdir(path.join(chart, 'files'), { recursive: true });
  for (const [file, content] of await generatedFiles()) await writeFile(path.join(chart, file), content);
}
