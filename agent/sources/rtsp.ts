/** A source that is a real camera (RTSP, HTTP, RTMP): a child ffmpeg, started again whenever it ends. */
import { setTimeout as delay } from 'node:timers/promises';
import { type FfmpegEnd, type FfmpegRun, runFfmpeg } from './ffmpeg-child.ts';
import { failureAdvice } from './ffmpeg-messages.ts';
import { type CameraAddress, type FfmpegPlan, parseCameraUrl, shownAddress } from './ffmpeg-script.ts';
import type { Source, SourceListener } from './source.ts';

export interface RtspOptions {
  /** `rtsp`, `rtsps`, `http`, `https`, `rtmp` or `rtmps`; a user and password in it never show anywhere. */
  readonly url: string;
  readonly credentials?: { readonly username: string; readonly password: string };
  /** Default `ffmpeg`, found on PATH. */
  readonly ffmpeg?: string;
}

/** Cameras take seconds to boot: soon at first, then not so often that it wears a camera out. */
const backOff = { firstMs: 500, mostMs: 10_000, missingMs: 30_000, unauthorizedMs: 60_000 } as const;
/** A session that lasted so long was a good one: the next failure counts as the first. */
const goodMs = 10_000;

/**
 * Opens a camera.
 *
 * @throws Error where the URL has no scheme of these or no host; the message does not repeat it
 */
export function openRtspSource(options: RtspOptions, listener: SourceListener): Source {
  const address = parseCameraUrl(options.url, options.credentials);
  if (address === undefined) {
    throw new Error('opening a camera: its URL is not rtsp, rtsps, http, https, rtmp or rtmps with a host');
  }
  const camera = new CameraSource(address, options, listener);
  const ended = camera.run();
  return {
    close: async () => {
      camera.stop();
      await ended;
    },
  };
}

class CameraSource {
  readonly #address: CameraAddress;
  readonly #options: RtspOptions;
  readonly #listener: SourceListener;
  readonly #stopped = new AbortController();
  #run: FfmpegRun | undefined;
  #plan: FfmpegPlan = { audio: 'copy', times: 'copy' };
  #failures = 0;
  #hasGivenBytes = false;

  constructor(address: CameraAddress, options: RtspOptions, listener: SourceListener) {
    this.#address = address;
    this.#options = options;
    this.#listener = listener;
  }

  stop(): void {
    this.#stopped.abort();
    this.#run?.stop();
  }

  async run(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const startedAtMs = performance.now();
      const end = await this.#runOnce();
      if (this.#stopped.signal.aborted) return;
      if (performance.now() - startedAtMs >= goodMs) this.#failures = 0;
      const waitMs = this.#afterwards(end);
      await delay(waitMs, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
    }
  }

  async #runOnce(): Promise<FfmpegEnd> {
    let isFirst = true;
    const onBytes = (bytes: Uint8Array): void => {
      if (this.#stopped.signal.aborted) return;
      if (isFirst) this.#begin();
      isFirst = false;
      this.#listener.onBytes(bytes);
    };
    const { ffmpeg } = this.#options;
    const command = ffmpeg === undefined ? {} : { command: ffmpeg };
    this.#run = runFfmpeg({ address: this.#address, plan: this.#plan, onBytes, ...command });
    return this.#run.ended;
  }

  #begin(): void {
    if (this.#hasGivenBytes) this.#listener.onRestart();
    this.#hasGivenBytes = true;
    const message = `reading from ${shownAddress(this.#address)}`;
    this.#listener.onState({ ready: true, reason: 'Reading', message });
  }

  /** Learns from how it ended, says so. @returns milliseconds until the next attempt */
  #afterwards(end: FfmpegEnd): number {
    if (end.why === 'unplayableAudio' && this.#plan.audio === 'copy') {
      this.#plan = { ...this.#plan, audio: 'aac' };
      return 0;
    }
    if (end.why === 'noTimes' && this.#plan.times === 'copy') {
      this.#plan = { ...this.#plan, times: 'made' };
      return 0;
    }
    const { reason, message } = told(end, shownAddress(this.#address));
    this.#listener.onState({ ready: false, reason, message });
    if (end.why === 'missing') return backOff.missingMs;
    // Cameras lock an account after some wrong passwords; a corrected one opens the source anew anyway.
    if (reason === 'Unauthorized') return backOff.unauthorizedMs;
    this.#failures += 1;
    const most = Math.min(backOff.mostMs, backOff.firstMs * 2 ** Math.min(this.#failures - 1, 10));
    return most * (0.75 + Math.random() / 4);
  }
}

function told(end: FfmpegEnd, camera: string): { readonly reason: string; readonly message: string } {
  const detail = end.detail === '' ? '' : ` (${end.detail})`;
  const failed = {
    reason: end.failure,
    message: `reading ${camera}: ${failureAdvice[end.failure]}${detail}`,
  };
  const ended = { reason: 'Ended', message: `${camera} has ended the stream: calling it again` };
  const byWhy: Readonly<Record<FfmpegEnd['why'], { readonly reason: string; readonly message: string }>> = {
    missing: {
      reason: 'FfmpegMissing',
      message: `ffmpeg is needed to read ${camera}: install it, or put it on PATH`,
    },
    noTimes: {
      reason: 'NoDecodingTimes',
      message: `${camera} sends B-frames without usable times: switch them off in the camera (H.264 profile “baseline”, or B-frames 0)`,
    },
    silent: { reason: 'Silent', message: `${camera} has sent nothing for some time: calling it again` },
    ended,
    stopped: ended,
    failed,
    unplayableAudio: failed,
  };
  return byWhy[end.why];
}
