/**
 * Writes an image as one OCI archive, without a container engine: `docker load`, `podman load`, `ctr images import` and
 * `k3s ctr images import` take it. The same contents give the same bytes, and so the same digest.
 *
 *     oci-layout · index.json → blobs/sha256/<manifest> → <config>, <layer>, <layer>
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const run = promisify(execFile);
const compress = promisify(gzip);

export interface ImageDescription {
  /** `name:tag`, in full. */
  readonly reference: string;
  readonly architecture: 'amd64' | 'arm64';
  /** Folders, bottom layer first. */
  readonly layers: readonly string[];
  /** The runtime's part of the image configuration: Entrypoint, Env, User, Labels. */
  readonly config: Readonly<Record<string, unknown>>;
}

export interface WrittenImage {
  /** Of the manifest, as `image@sha256:…` names it. */
  readonly digest: string;
  /** What a node downloads. */
  readonly compressedBytes: number;
  readonly layers: readonly { readonly digest: string; readonly compressedBytes: number }[];
}

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

interface Layer extends Blob {
  /** Of the archive as it is before compression. */
  readonly diffId: string;
}

/** Without a date of building, as that would be all that differs between two builds of the same. */
const created = '1970-01-01T00:00:00Z';

/** Writes `file`. */
export async function writeImage(file: string, image: ImageDescription): Promise<WrittenImage> {
  const layout = await mkdtemp(path.join(tmpdir(), 'homing-image-'));
  try {
    await mkdir(path.join(layout, 'blobs/sha256'), { recursive: true });
    const layers: Layer[] = [];
    for (const folder of image.layers) layers.push(await addLayer(layout, folder));
    const manifest = await addManifest(layout, image, layers);
    await writeIndex(layout, image, manifest);
    await run('tar', [...reproducible, '-cf', file, '-C', layout, 'oci-layout', 'index.json', 'blobs']);
    const compressedBytes = layers.reduce((sum, { size }) => sum + size, 0);
    return {
      digest: manifest.digest,
      compressedBytes,
      layers: layers.map(({ digest, size }) => ({ digest, compressedBytes: size })),
    };
  } finally {
    await rm(layout, { recursive: true });
  }
}

const reproducible = [
  '--sort=name',
  '--mtime=@0',
  '--owner=0',
  '--group=0',
  '--numeric-owner',
  '--format=gnu',
];

async function addLayer(layout: string, folder: string): Promise<Layer> {
  const archive = path.join(layout, 'layer.tar');
  await run('tar', [...reproducible, '-cf', archive, '-C', folder, '.']);
  const bytes = await readFile(archive);
  await rm(archive);
  const blob = await addBlob(layout, 'layer.v1.tar+gzip', await compress(bytes, { level: 9 }));
  return { ...blob, diffId: digestOf(bytes) };
}

async function addManifest(layout: string, image: ImageDescription, layers: readonly Layer[]): Promise<Blob> {
  const config = await addJson(layout, 'config.v1+json', {
    created,
    architecture: image.architecture,
    os: 'linux',
    config: image.config,
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(() => ({ created, created_by: 'image/image.ts' })),
  });
  return addJson(layout, 'manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config,
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  });
}

async function writeIndex(layout: string, image: ImageDescription, manifest: Blob): Promise<void> {
  const { reference, architecture } = image;
  const annotations = {
    'io.containerd.image.name': reference,
    'org.opencontainers.image.ref.name': reference.slice(reference.lastIndexOf(':') + 1),
  };
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ ...manifest, platform: { architecture, os: 'linux' }, annotations }],
  };
  await writeFile(path.join(layout, 'index.json'), JSON.stringify(index));
  await writeFile(path.join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}

async function addJson(layout: string, kind: string, value: unknown): Promise<Blob> {
  return addBlob(layout, kind, Buffer.from(JSON.stringify(value)));
}

async function addBlob(layout: string, kind: string, bytes: Buffer): Promise<Blob> {
  const digest = digestOf(bytes);
  await writeFile(path.join(layout, 'blobs', digest.replace(':', '/')), bytes);
  return { mediaType: `application/vnd.oci.image.${kind}`, digest, size: bytes.length };
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
