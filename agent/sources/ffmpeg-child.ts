/** One run of a child ffmpeg: from its start to its end. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { type FfmpegFailure, type FfmpegNote, readFfmpegLine, redactor } from './ffmpeg-messages.ts';
import { type CameraAddress, type FfmpegPlan, ffconcatScript, ffmpegArguments } from './ffmpeg-script.ts';

export interface FfmpegRun {
  /** Ends it: politely, so that the camera's session is closed, and after two seconds by force. */
  stop(): void;
  readonly ended: Promise<FfmpegEnd>;
}

export interface FfmpegEnd {
  readonly why: 'missing' | 'unplayableAudio' | 'noTimes' | 'silent' | 'failed' | 'ended' | 'stopped';
  readonly failure: FfmpegFailure;
  /** The last thing that it complained of; nothing secret in it. */
  readonly detail: string;
}

export interface FfmpegOptions {
  readonly address: CameraAddress;
  readonly plan: FfmpegPlan;
  /** Default `ffmpeg`, found on PATH. */
  readonly command?: string;
  readonly onBytes: (bytes: Uint8Array) => void;
}

const killAfterMs = 2000;
/** A camera that sends nothing for so long is taken for gone, whatever its socket says. */
const silentMs = 10_000;
const maxLineCharacters = 2048;

/** Starts ffmpeg on a camera. Its output is held back until it is known that the plan suits the camera's audio. */
export function runFfmpeg(options: FfmpegOptions): FfmpegRun {
  const { address, plan, command = 'ffmpeg' } = options;
  const child = spawn(command, ffmpegArguments(address.scheme, plan), { stdio: 'pipe' });
  const run = new Run(child, options);
  child.stdin.on('error', () => undefined);
  child.stdin.end(ffconcatScript(address));
  return run;
}

class Run implements FfmpegRun {
  readonly ended: Promise<FfmpegEnd>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #options: FfmpegOptions;
  readonly #redact: (line: string) => string;
  readonly #timers: NodeJS.Timeout[] = [];
  #silence: NodeJS.Timeout | undefined;
  #why: FfmpegEnd['why'] | undefined;
  #failure: FfmpegFailure = 'Failed';
  #detail = '';
  #line = '';

  constructor(child: ChildProcessWithoutNullStreams, options: FfmpegOptions) {
    this.#child = child;
    this.#options = options;
    this.#redact = redactor(options.address);
    const { promise, resolve } = Promise.withResolvers<FfmpegEnd>();
    this.ended = promise;
    child.stderr.setEncoding('latin1').on('data', (text: string) => this.#onText(text));
    child.once('error', (error) => {
      this.#why ??= 'code' in error && error.code === 'ENOENT' ? 'missing' : 'failed';
      this.#detail = this.#redact(error.message);
      if (child.pid === undefined) resolve(this.#end(undefined));
    });
    child.once('close', (code) => resolve(this.#end(code)));
    this.#armSilence();
  }

  stop(): void {
    this.#why ??= 'stopped';
    this.#child.kill('SIGTERM');
    this.#timers.push(setTimeout(() => this.#child.kill('SIGKILL'), killAfterMs));
  }

  #end(code: number | null | undefined): FfmpegEnd {
    for (const timer of [...this.#timers, this.#silence]) clearTimeout(timer);
    const why = this.#why ?? (code === 0 ? 'ended' : 'failed');
    return { why, failure: this.#failure, detail: this.#detail };
  }

  #onText(text: string): void {
    const lines = `${this.#line}${text}`.split(/[\r\n]+/);
    this.#line = (lines.pop() ?? '').slice(0, maxLineCharacters);
    for (const line of lines) this.#onNote(readFfmpegLine(line.slice(0, maxLineCharacters)), line);
  }

  #onNote(note: FfmpegNote, line: string): void {
    switch (note.kind) {
      case 'audio':
        if (!note.isPlayable && this.#options.plan.audio === 'copy') this.#abort('unplayableAudio');
        return;
      case 'noTimes':
        this.#abort('noTimes');
        return;
      case 'output':
        this.#child.stdout.on('data', (bytes: Uint8Array) => this.#onBytes(bytes));
        return;
      case 'error':
        if (this.#failure === 'Failed') this.#failure = note.reason;
        this.#detail = this.#redact(line.slice(0, maxLineCharacters));
        return;
      case 'other':
        return;
    }
  }

  #abort(why: FfmpegEnd['why']): void {
    if (this.#why !== undefined) return;
    this.#why = why;
    this.stop();
  }

  #onBytes(bytes: Uint8Array): void {
    if (this.#why !== undefined) return;
    this.#armSilence();
    this.#options.onBytes(bytes);
  }

  #armSilence(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#abort('silent'), silentMs);
  }
}
