/** The licenses of the packages that the bundle contains, as those ask for: their notices go wherever their code goes. */
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Metafile } from 'esbuild';

/** One section for each package, by name; throws where a package has no license to be found. */
export async function thirdPartyLicenses(top: string, { inputs }: Metafile): Promise<string> {
  const directories = new Set(Object.keys(inputs).flatMap((file) => packageOf(file) ?? []));
  const sections = await Promise.all(
    [...directories].toSorted().map((found) => section(path.join(top, found))),
  );
  return sections.join('\n');
}

/** `node_modules/a/node_modules/@b/c/lib/d.js` → `node_modules/a/node_modules/@b/c`. */
function packageOf(file: string): string | undefined {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0];
}

async function section(directory: string): Promise<string> {
  const { name, version, license } = parseManifest(
    JSON.parse(await readFile(path.join(directory, 'package.json'), 'utf8')),
  );
  const file = (await readdir(directory)).find((entry) => /^(?:licen[cs]e|copying)/i.test(entry));
  const text = file === undefined ? '' : await readFile(path.join(directory, file), 'utf8');
  const title = `${name} ${version} (${license})`;
  return `${title}\n${'='.repeat(title.length)}\n\n${text.trim()}\n`;
}

function parseManifest(value: unknown): Readonly<Record<'name' | 'version' | 'license', string>> {
  const fields = Object.entries(value ?? {}).filter(([, field]) => typeof field === 'string');
  const { name, version, license } = Object.fromEntries(fields);
  if (name === undefined || version === undefined || license === undefined)
    throw new Error(`package ${name} says no version or license`);
  return { name, version, license };
}
