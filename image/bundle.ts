/**
 * `npm run bundle`: the sources as a few files of plain JavaScript in dist/, which need no node_modules beside them.
 * `dist/homing.js` is what every command needs; what only some need (issuing, the cluster) is loaded from dist/chunks.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Metafile, type Plugin, build } from 'esbuild';
import { thirdPartyLicenses } from './licenses.ts';

const top = path.join(import.meta.dirname, '..');

/** Packages written for `require` go on finding Node's own modules by it. */
const requireOfModule =
  "import { createRequire as createRequireOfModule } from 'node:module'; const require = createRequireOfModule(import.meta.url);";

/** zod brings its messages in 50 languages, a fifth of the whole, of which it uses one unless told otherwise. */
const onlyEnglish: Plugin = {
  name: 'only-english',
  setup: (context) => {
    context.onLoad({ filter: /node_modules\/zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
      resolveDir: path.join(top, 'node_modules/zod/v4/locales'),
    }));
  },
};

/**
 * `z` as a namespace and not as a value, or all of zod is in the bundle: what we use is half of it, and an agent is
 * 6 MiB smaller without the rest.
 */
const usedPartOfZod: Plugin = {
  name: 'used-part-of-zod',
  setup: (context) => {
    // Packages bring JavaScript: what ends so is ours.
    context.onLoad({ filter: /\.ts$/ }, async ({ path: file }) => {
      const text = await readFile(file, 'utf8');
      return { loader: 'ts', contents: text.replace("import { z } from 'zod'", "import * as z from 'zod'") };
    });
  },
};

/**
 * Of Kubernetes' client only its configuration is used: requests are our own. What it would send others with (undici, a
 * megabyte of it) is left out, and would say so if it were ever called.
 */
const onlyKubeConfig: Plugin = {
  name: 'only-kube-config',
  setup: (context) => {
    const client = path.join(top, 'node_modules/@kubernetes/client-node/dist');
    context.onResolve({ filter: /^@kubernetes\/client-node$/ }, () => ({
      path: path.join(client, 'config.js'),
      sideEffects: false,
    }));
    context.onResolve({ filter: /^\.{1,2}\// }, ({ path: file, resolveDir }) => {
      if (!resolveDir.startsWith(client) || !file.endsWith('.js')) return undefined;
      return { path: path.join(resolveDir, file), sideEffects: false };
    });
    context.onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'left-out' }));
    context.onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: leftOut }));
  },
};

const leftOut = `
const say = () => { throw new Error('undici is not in this bundle'); };
export class Agent { constructor() { say(); } }
export class ProxyAgent { constructor() { say(); } }
export class FormData { constructor() { say(); } }
export const fetch = say;
`;

/**
 * Writes `directory` anew and tells what went into which file. Names of functions are kept, so that a stack trace from
 * somebody's house can be read.
 */
export async function bundle(directory: string): Promise<Metafile> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: top,
    entryPoints: { homing: 'cli/main.ts' },
    outdir: directory,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // With splitting, import() of a package in its CommonJS form gives nothing but a default export.
    mainFields: ['module', 'main'],
    plugins: [onlyEnglish, usedPartOfZod, onlyKubeConfig],
    minifySyntax: true,
    minifyWhitespace: true,
    // An error that nobody caught is shown with the line it came from.
    lineLimit: 160,
    legalComments: 'none',
    banner: { js: requireOfModule },
    metafile: true,
    logLevel: 'warning',
  });
  await writeFile(path.join(directory, 'package.json'), '{ "type": "module" }\n');
  await writeFile(path.join(directory, 'THIRD-PARTY-LICENSES.txt'), await thirdPartyLicenses(top, metafile));
  return metafile;
}

if (import.meta.main) {
  const directory = path.join(top, 'dist');
  const { outputs } = await bundle(directory);
  for (const [file, { bytes }] of Object.entries(outputs))
    console.log(`${file}  ${Math.ceil(bytes / 1024)} KiB`);
}
