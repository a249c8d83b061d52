/** A camera's source, by the kind that its resource says. */
import type { BridgedCamera } from './control/assignment.ts';
import { mediaFile, openFileSource } from './sources/file.ts';
import { openRtspSource } from './sources/rtsp.ts';
import type { Source, SourceListener } from './sources/source.ts';
import { openTestCamera } from './sources/test-camera.ts';

/**
 * Opens the camera; what goes wrong later is the source's state.
 *
 * @param media the folder of `file` sources
 */
export function openCamera(
  { name, spec, credentials }: BridgedCamera,
  media: string | undefined,
  listener: SourceListener,
): Source {
  const { test, file, rtsp, http, media: type } = spec.source;
  if (test !== undefined) {
    // A resource counts frames from key frame to key frame, as encoders do; the camera wants seconds.
    return openTestCamera({ fps: test.fps, gop: test.gop / test.fps, seed: seedOf(name) }, listener);
  }
  if (file !== undefined) {
    const path = media === undefined ? undefined : mediaFile(media, file.name);
    if (path === undefined) throw new TypeError(`${name} has no media folder`);
    return openFileSource({ path, media: type, loop: file.loop }, listener);
  }
  const url = rtsp?.url ?? http?.url;
  if (url === undefined) throw new TypeError(`${name} has a source that cannot be opened`);
  return openRtspSource({ url, ...(credentials === undefined ? {} : { credentials }) }, listener);
}

/** So that no two test cameras look alike. */
function seedOf(name: string): number {
  return Buffer.from(name).reduce((seed, byte) => (seed * 31 + byte) % 65_536, 0);
}
