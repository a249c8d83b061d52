/** Identifiers of servers and cameras: what the resource says, else made of its UID, so that nothing needs to be kept. Pure. */
import type { CameraClient } from '../../crds/camera-client.ts';
import type { HomeServer } from '../../crds/home-server.ts';
import { encodeIdentifier, type ClientId, type ServerId } from '../../protocol/identifiers.ts';

/** A server's identifier; undefined where the resource has no UID yet. */
export function serverIdOf({ metadata, spec }: HomeServer): ServerId | undefined {
  const text = spec.identifier ?? identifierOf(metadata.uid);
  return text === undefined ? undefined : `hcsp:${text}`;
}

/** A camera's identifier. */
export function clientIdOf({ metadata, spec }: CameraClient): ClientId | undefined {
  const text = spec.identifier ?? identifierOf(metadata.uid);
  return text === undefined ? undefined : `ab:${text}`;
}

function identifierOf(uid: string | undefined): string | undefined {
  const hex = uid?.replaceAll('-', '') ?? '';
  return /^[0-9a-f]{32}$/i.test(hex) ? encodeIdentifier(Buffer.from(hex, 'hex')) : undefined;
}
