/** What `homing connect --source` means: the test camera, a pipe, a file or a real camera. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { parseCameraUrl } from '../agent/sources/ffmpeg-script.ts';
import { openFileSource } from '../agent/sources/file.ts';
import { keepSource } from '../agent/sources/keep-source.ts';
import { openRtspSource } from '../agent/sources/rtsp.ts';
import type { Source, SourceListener } from '../agent/sources/source.ts';
import { openStdinSource } from '../agent/sources/stdin.ts';
import { openTestCamera } from '../agent/sources/test-camera.ts';
import type { StreamAddress } from '../agent/sinks/sink.ts';
import type { MediaType } from '../protocol/documents.ts';
import { CommandError } from './output.ts';

/** Opens a source for the address that its bytes will have. */
export type OpenSource = (listener: SourceListener, address: StreamAddress) => Source;

export interface SourceFlags {
  readonly source: string;
  readonly media?: string;
  readonly credentials?: string;
  readonly once?: boolean;
}

interface Credentials {
  readonly username: string;
  readonly password: string;
}

const testCamera = { fps: 15, gop: 2 } as const;
const mediaTypes = ['video/mp2t', 'application/x-ndjson', 'text/plain', 'application/octet-stream'] as const;
const mediaByExtension: ReadonlyMap<string, MediaType> = new Map([
  ['.ts', 'video/mp2t'],
  ['.m2ts', 'video/mp2t'],
  ['.ndjson', 'application/x-ndjson'],
  ['.jsonl', 'application/x-ndjson'],
  ['.txt', 'text/plain'],
  ['.log', 'text/plain'],
]);

/**
 * The media type: as said, else by a file's name, else a transport stream.
 *
 * @throws CommandError for a type that is none of ours
 */
export function mediaOf({ source, media }: SourceFlags): MediaType {
  if (media === undefined) return mediaByExtension.get(extname(source).toLowerCase()) ?? 'video/mp2t';
  const known = mediaTypes.find((type) => type === media);
  if (known !== undefined) return known;
  throw new CommandError(`--media ${JSON.stringify(media)} is none of ${mediaTypes.join(', ')}`);
}

/**
 * How to open the source, everything that can be wrong with it found out before.
 *
 * @param environment where HOMING_CAMERA_CREDENTIALS may be
 * @throws CommandError that says what to do
 */
export function sourceOf(flags: SourceFlags, environment: NodeJS.ProcessEnv): OpenSource {
  const { source } = flags;
  if (source === 'test') return (listener) => openTestCamera(testCamera, listener);
  if (source === '-') return (listener) => openStdinSource({}, listener);
  return source.includes('://') ? cameraOf(flags, environment) : fileOf(flags);
}

function fileOf(flags: SourceFlags): OpenSource {
  const { source: path, once } = flags;
  if (!existsSync(path) || !statSync(path).isFile()) {
    throw new CommandError(
      `--source ${path}: there is no such file (or use test, -, or a URL like rtsp://camera/stream)`,
    );
  }
  const media = mediaOf(flags);
  return (listener) => openFileSource({ path, media, loop: once !== true }, listener);
}

function cameraOf(flags: SourceFlags, environment: NodeJS.ProcessEnv): OpenSource {
  const { source: url } = flags;
  const address = parseCameraUrl(url);
  if (address === undefined) {
    throw new CommandError('--source: the URL must be rtsp, rtsps, http, https, rtmp or rtmps, with a host');
  }
  if (address.url.username !== '' || address.url.password !== '') {
    throw new CommandError(
      '--source: the URL has a user or password in it, and everybody on this machine can read arguments; write user:password into a file that only you can read, and name it with --credentials',
    );
  }
  const credentials = readCredentials(flags.credentials, environment['HOMING_CAMERA_CREDENTIALS']);
  return (listener) => openRtspSource({ url, ...(credentials && { credentials }) }, listener);
}

function readCredentials(file: string | undefined, variable: string | undefined): Credentials | undefined {
  if (file === undefined && variable === undefined) return undefined;
  const [place, text] =
    file === undefined ? ['HOMING_CAMERA_CREDENTIALS', variable ?? ''] : [file, readSecret(file)];
  const line = text.trimEnd();
  const colon = line.indexOf(':');
  if (colon < 1 || line.includes('\n')) {
    throw new CommandError(`${place}: must be one line, user:password`);
  }
  return { username: line.slice(0, colon), password: line.slice(colon + 1) };
}

function readSecret(file: string): string {
  try {
    if ((statSync(file).mode & 0o007) !== 0) {
      throw new CommandError(`${file}: others can read it: chmod 600 ${file}`);
    }
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`${file}: cannot be read`, undefined, { cause: error });
  }
}

/** The same source, kept byte for byte below `directory` too. */
export function keeping(directory: string, open: OpenSource): OpenSource {
  return (listener, address) => {
    const kept = keepSource(directory, address, listener);
    const source = open(kept.listener, address);
    return {
      ...(source.setPaused && { setPaused: (isPaused: boolean) => source.setPaused?.(isPaused) }),
      close: async () => {
        await source.close();
        kept.close();
      },
    };
  };
}
