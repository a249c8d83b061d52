/** What a child ffmpeg is told to read a camera: arguments that anybody may see, and a script that nobody may. Pure. */
import { quote } from '../../protocol/result.ts';

/** How the child is to be run; found out by trying. */
export interface FfmpegPlan {
  /** G.711 and the like in a transport stream are silently unreadable: such audio is encoded as AAC. */
  readonly audio: 'copy' | 'aac';
  /** Cameras that send B-frames tell no decoding times over RTSP: they are made up, in order and never behind the picture. */
  readonly times: 'copy' | 'made';
}

/** A camera's address, and what is known of it. */
export interface CameraAddress {
  readonly url: URL;
  readonly scheme: CameraScheme;
}

export type CameraScheme = 'rtsp' | 'rtsps' | 'http' | 'https' | 'rtmp' | 'rtmps';

/** What ffmpeg may open for a scheme: no file, and no other host by a trick in a playlist. */
const protocols: Readonly<Record<CameraScheme, string>> = {
  rtsp: 'pipe,rtsp,tcp',
  rtsps: 'pipe,rtsp,rtsps,tls,tcp',
  http: 'pipe,http,tcp',
  https: 'pipe,https,http,tls,tcp',
  rtmp: 'pipe,rtmp,tcp',
  rtmps: 'pipe,rtmps,tls,tcp',
};

/** Without a packet for so long the camera is gone: cameras send several a second. */
const socketTimeoutUs = 5_000_000;

/**
 * Parses a camera's address.
 *
 * @param credentials replace those in the URL
 * @returns undefined where the scheme is none that ffmpeg is used for, or there is no host
 */
export function parseCameraUrl(
  text: string,
  credentials?: { readonly username: string; readonly password: string },
): CameraAddress | undefined {
  if (text.length > 2048 || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  const scheme = url.protocol.slice(0, -1);
  if (!isScheme(scheme) || url.hostname === '') return undefined;
  if (credentials !== undefined) {
    url.username = encodeURIComponent(credentials.username);
    url.password = encodeURIComponent(credentials.password);
  }
  return { url, scheme };
}

function isScheme(text: string): text is CameraScheme {
  return Object.hasOwn(protocols, text);
}

/** For people: the address without user, password and query (which holds passwords with some cameras). */
export function shownAddress({ url }: CameraAddress): string {
  return quote(`${url.protocol}//${url.host}${url.pathname}`);
}

/** The script for standard input: an ffconcat file with the address in it, so that it is in no process list. */
export function ffconcatScript({ url, scheme }: CameraAddress): string {
  const isRtsp = scheme === 'rtsp' || scheme === 'rtsps';
  const options = isRtsp
    ? [`option rtsp_transport tcp`, `option timeout ${socketTimeoutUs}`]
    : [`option rw_timeout ${socketTimeoutUs}`];
  // Inside the quotes only a quote means anything, and a URL can say it in another way.
  return ['ffconcat version 1.0', `file '${url.href.replaceAll("'", '%27')}'`, ...options, ''].join('\n');
}

/** In ticks of the stream: one fifth of a second before the earlier of this picture and the last, and always growing. */
const madeTimes = "setts=dts='if(eq(N,0),PTS-0.2/TB,max(PREV_OUTDTS+1,min(PTS,PREV_INPTS)-0.2/TB))'";

/** The arguments: the same for every camera, nothing secret in them. */
export function ffmpegArguments(scheme: CameraScheme, plan: FfmpegPlan): readonly string[] {
  const general = ['-nostdin', '-hide_banner', '-nostats', '-loglevel', 'level+info'];
  const video = ['-map', '0:v:0?', '-map', '0:a:0?', '-c:v', 'copy'];
  const input = ['-f', 'concat', '-safe', '0', '-protocol_whitelist', protocols[scheme], '-i', 'pipe:0'];
  const audio = plan.audio === 'copy' ? ['-c:a', 'copy'] : ['-c:a', 'aac', '-b:a', '64k'];
  const times = plan.times === 'copy' ? [] : ['-bsf:v', madeTimes];
  const output = ['-f', 'mpegts', '-flush_packets', '1', 'pipe:1'];
  return [...general, ...input, ...video, ...audio, ...times, ...output];
}
