/** What ffmpeg says, understood and made safe to show. Pure. */
import { quote } from '../../protocol/result.ts';
import type { CameraAddress } from './ffmpeg-script.ts';

/** What one line of ffmpeg's stderr tells us. */
export type FfmpegNote =
  | { readonly kind: 'audio'; readonly isPlayable: boolean }
  /** The streams are known, and bytes come from now on. */
  | { readonly kind: 'output' }
  | { readonly kind: 'noTimes' }
  | { readonly kind: 'error'; readonly reason: FfmpegFailure }
  | { readonly kind: 'other' };

export type FfmpegFailure =
  | 'Unauthorized'
  | 'NotFound'
  | 'Busy'
  | 'Refused'
  | 'Unreachable'
  | 'TimedOut'
  | 'NothingToRead'
  | 'Failed';

const failures: readonly (readonly [RegExp, FfmpegFailure])[] = [
  [/\b40[13]\b/, 'Unauthorized'],
  [/\b404\b/, 'NotFound'],
  [/\b(453|503)\b/, 'Busy'],
  [/Connection refused/, 'Refused'],
  [
    /No route to host|Network is unreachable|Failed to resolve hostname|Name or service not known/,
    'Unreachable',
  ],
  [/timed out/i, 'TimedOut'],
  [/does not contain any stream/, 'NothingToRead'],
];

/** Audio that players read out of a transport stream. */
const playableAudio: ReadonlySet<string> = new Set(['aac', 'mp3', 'mp2']);

/** Reads one line of `-loglevel level+info`. */
export function readFfmpegLine(line: string): FfmpegNote {
  const audio = /^\[info\] {1,4}Stream #0:\d+[^:]{0,64}: Audio: ([a-z0-9_]{1,32})/.exec(line);
  if (audio !== null) return { kind: 'audio', isPlayable: playableAudio.has(audio[1] ?? '') };
  if (line.startsWith('[info] Output #0,')) return { kind: 'output' };
  if (line.includes('first pts and dts value must be set')) return { kind: 'noTimes' };
  if (!/\[(error|fatal|panic)\]/.test(line)) return { kind: 'other' };
  const known = failures.find(([pattern]) => pattern.test(line));
  return { kind: 'error', reason: known?.[1] ?? 'Failed' };
}

/** What a person is to do about it. */
export const failureAdvice: Readonly<Record<FfmpegFailure, string>> = {
  Unauthorized: 'the camera refuses the user name or the password',
  NotFound: 'the camera has no stream of this path',
  Busy: 'the camera has no session left: close what else reads from it',
  Refused: 'nothing listens at the camera’s address',
  Unreachable: 'there is no way to the camera’s address',
  TimedOut: 'the camera does not answer',
  NothingToRead: 'the camera sends neither video nor audio',
  Failed: 'ffmpeg could not read from the camera',
};

/** Removes what is secret in a camera's address from a line of text, in every spelling in which ffmpeg may repeat it. */
export function redactor({ url }: CameraAddress): (line: string) => string {
  const spellings = [url.username, url.password, url.search.slice(1)].flatMap((secret) => [
    secret,
    decoded(secret),
  ]);
  const secrets = [...new Set(spellings)]
    .filter((secret) => secret !== '')
    .sort((a, b) => b.length - a.length);
  return (line) => {
    const anonymous = line.replaceAll(/:\/\/[^\s/@']*@/g, '://');
    return quote(secrets.reduce((text, secret) => text.replaceAll(secret, '…'), anonymous));
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
