/** Starts `rtsp-camera.py`: a real RTSP camera with one session, a password and an encoded stream. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { runFfmpeg } from './framehash.ts';

export interface RtspCamera {
  /** Without user and password. */
  readonly url: string;
  /** What it has seen so far: `connected`, `session`, `closed`. */
  readonly events: readonly string[];
  stop(): Promise<void>;
}

export interface CameraStream {
  readonly file: string;
  readonly username: string;
  readonly password: string;
  readonly audio: 'aac' | 'mulaw' | 'none';
  /** Default `h264`. */
  readonly video?: 'h264' | 'h265';
  /** The network namespace whose 127.0.0.1 it is; ours by default. */
  readonly namespace?: string;
}

const python = '/usr/bin/python3';

/** Resolves when the camera listens on a port of 127.0.0.1. */
export async function startRtspCamera(stream: CameraStream): Promise<RtspCamera> {
  const { file, username, password, audio, video = 'h264', namespace } = stream;
  const program = join(import.meta.dirname, 'rtsp-camera.py');
  const camera = [python, program, file, username, password, video, audio];
  const place = namespace === undefined ? [] : [`--net=/run/netns/${namespace}`];
  // nsenter without a namespace to enter runs the command.
  const child = spawn('nsenter', [...place, ...camera], { stdio: ['ignore', 'pipe', 'inherit'] });
  const events: string[] = [];
  const port = await new Promise<number>((resolve, reject) => {
    child.once('close', () => reject(new Error('the camera has ended')));
    createInterface(child.stdout).on('line', (line) => {
      const said: { readonly port?: number; readonly event?: string } = JSON.parse(line);
      if (said.event !== undefined) events.push(said.event);
      if (said.port !== undefined) resolve(said.port);
    });
  });
  return { url: `rtsp://127.0.0.1:${port}/main`, events, stop: () => stopChild(child) };
}

async function stopChild(child: ChildProcess): Promise<void> {
  const closed = new Promise((resolve) => child.once('close', resolve));
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 2000);
  await closed;
  clearTimeout(timer);
}

/** Encodes testsrc2 (whose frames are all different) and a tone; `file` says the container by its extension. */
export function encodeTestVideo(
  file: string,
  {
    seconds,
    bFrames,
    audio,
    video = 'h264',
  }: {
    readonly seconds: number;
    readonly bFrames: number;
    readonly audio: 'aac' | 'mulaw';
    readonly video?: 'h264' | 'h265';
  },
): void {
  const codec =
    video === 'h264'
      ? ['libx264', '-preset', 'veryfast']
      : ['libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=1'];
  const sound = audio === 'aac' ? ['-c:a', 'aac'] : ['-c:a', 'pcm_mulaw', '-ar', '8000'];
  runFfmpeg('ffmpeg', [
    ...`-y -f lavfi -i testsrc2=size=320x240:rate=15`.split(' '),
    ...`-f lavfi -i sine=frequency=440 -t ${seconds} -c:v`.split(' '),
    ...codec,
    '-g',
    '30',
    ...`-bf ${bFrames} -b_strategy 0 -pix_fmt yuv420p -ac 1`.split(' '),
    ...sound,
    file,
  ]);
}
