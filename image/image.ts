/**
 * `npm run image -- --out FILE`: the container image of this machine's architecture as an OCI archive, without a container
 * engine. `--root DIR` only fills DIR/base and DIR/app, which the Dockerfile copies: the same image either way.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import manifest from '../package.json' with { type: 'json' };
import { readLaunch } from './launch.ts';
import { type WrittenImage, writeImage } from './oci.ts';
import { assembleRoot, containerUser } from './root.ts';
import { home } from './stage.ts';

const top = path.join(import.meta.dirname, '..');

/** A name that no registry answers to, so that nothing is ever fetched under it. */
export const defaultReference = `localhost/homing:${manifest.version}`;

/** What runs in a container, and as whom. */
export async function containerConfig(): Promise<Readonly<Record<string, unknown>>> {
  const { nodeFlags, variables } = await readLaunch(top);
  return {
    User: `${containerUser}:${containerUser}`,
    Env: ['PATH=/usr/bin', ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)],
    Entrypoint: ['/usr/bin/tini', '--', `${home}/bin/node`, ...nodeFlags, `${home}/dist/homing.js`],
    WorkingDir: home,
    Labels: {
      'org.opencontainers.image.title': manifest.name,
      'org.opencontainers.image.description': manifest.description,
      'org.opencontainers.image.version': manifest.version,
      'org.opencontainers.image.licenses': manifest.license,
    },
  };
}

/** Builds the image of this machine's architecture into `file`. */
export async function buildImage(file: string, reference = defaultReference): Promise<WrittenImage> {
  const directory = await mkdtemp(path.join(tmpdir(), 'homing-root-'));
  try {
    const { base, app } = await assembleRoot(top, directory);
    const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
    return await writeImage(file, {
      reference,
      architecture,
      layers: [base, app],
      config: await containerConfig(),
    });
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { out: { type: 'string' }, root: { type: 'string' }, reference: { type: 'string' } },
  });
  // Files of the image are for everybody to read, whoever builds it.
  process.umask(0o022);
  if (values.root !== undefined) {
    await assembleRoot(top, values.root);
    return;
  }
  if (values.out === undefined) throw new Error('say --out FILE (or --root DIR)');
  const reference = values.reference ?? defaultReference;
  const { digest, compressedBytes, layers } = await buildImage(values.out, reference);
  console.log(`${reference}  ${megabytes(compressedBytes)} MB compressed  ${digest}`);
  for (const layer of layers) console.log(`  layer ${megabytes(layer.compressedBytes)} MB  ${layer.digest}`);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

if (import.meta.main) await main();
