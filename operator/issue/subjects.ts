/** For whom a certificate is asked, and whether whoever asks may have it. Pure. */
import type { CameraClient } from '../../crds/camera-client.ts';
import type { HomeServer } from '../../crds/home-server.ts';
import type { ClientId, ServerId } from '../../protocol/identifiers.ts';
import { type Result, bad, good, quote } from '../../protocol/result.ts';
import { claimantOf } from '../reconcile/duplicates.ts';
import { clientIdOf, serverIdOf } from '../reconcile/identities.ts';
import { fullNameOf } from '../reconcile/world.ts';
import type { Survey } from '../reconcile/survey.ts';
import type { RefusalReason } from './refusals.ts';

/** What a certificate binds to a key. */
export interface Subject {
  readonly id: ServerId | ClientId;
  readonly name: string;
}

type Found = Result<Subject, RefusalReason>;

/** Whom the key is pinned for: the external server or native camera whose resource names it. */
export function findPinned(spkiSha256: string, survey: Survey): Found {
  const { homeServers, cameraClients } = survey.world;
  const pin = `sha256:${spkiSha256}`;
  const pinned = [
    ...homeServers.filter(({ spec }) => spec.external?.publicKey === pin),
    ...cameraClients.filter(({ spec }) => spec.source.native?.publicKey === pin),
  ];
  if (pinned.length === 0) return bad('KeyUnknown', `no resource pins the key ${pin}`);
  // The older resource has it: else whoever may write one could lock another's camera out.
  const owner = pinned.find((resource) => !survey.duplicates.has(claimantOf(resource)));
  if (owner === undefined) return bad('Duplicate', `what pins the key ${pin} repeats an older resource`);
  return subjectOf(owner);
}

/** The server of a node. */
export function findNodeServer(server: HomeServer, survey: Survey): Found {
  const { name } = server.metadata;
  if (server.spec.external !== undefined) return bad('NodeExternal', `the HomeServer ${name} is external`);
  const duplicate = survey.duplicates.get(claimantOf(server));
  if (duplicate !== undefined) return bad('Duplicate', `${duplicate.owner} has what ${name} claims`);
  return subjectOf(server);
}

/** Who asks over its own stream, with which key, for whose certificate. */
export interface StreamRequest {
  /** Name and key of the certificate of who asks. */
  readonly asker: { readonly name: string; readonly spkiSha256: string };
  readonly name: string;
  /** The key that is to be certified. */
  readonly spkiSha256: string;
}

/** Itself by the same key, to renew; or a camera that it is a bridge of, in whatever place. */
export function findRequested({ asker, name, spkiSha256 }: StreamRequest, survey: Survey): Found {
  const resource = findAssigned(asker.name, name, survey);
  if (resource === undefined) {
    return bad('NotAssigned', `${quote(asker.name)} is no bridge of ${quote(name)}`);
  }
  const duplicate = survey.duplicates.get(claimantOf(resource));
  if (duplicate !== undefined) return bad('Duplicate', `${duplicate.owner} has what ${name} claims`);
  if (name === asker.name && asker.spkiSha256 !== spkiSha256) {
    return bad('KeyInUse', `${name} asks for another key than the one it is connected by`);
  }
  return subjectOf(resource);
}

/** The resource called `name`, where it is the asker's own or a camera that the asker bridges. */
function findAssigned(asker: string, name: string, survey: Survey): HomeServer | CameraClient | undefined {
  const { homeServers, cameraClients } = survey.world;
  if (name === asker) {
    const server = homeServers.find(({ metadata }) => metadata.name === name);
    if (server !== undefined) return server;
  }
  const camera = cameraClients.find((each) => fullNameOf(each) === name);
  if (camera === undefined) return undefined;
  const isIts = camera.spec.source.native === undefined ? isBridgeOf(asker, camera, survey) : name === asker;
  return isIts ? camera : undefined;
}

function isBridgeOf(asker: string, camera: CameraClient, { bridges }: Survey): boolean {
  return bridges.get(fullNameOf(camera))?.servers.includes(asker) === true;
}

function subjectOf(resource: HomeServer | CameraClient): Found {
  const [id, name] =
    resource.kind === 'HomeServer'
      ? [serverIdOf(resource), resource.metadata.name]
      : [clientIdOf(resource), fullNameOf(resource)];
  return id === undefined
    ? bad('ResourceInvalid', `${resource.kind} ${name} has no UID to make an identifier of`)
    : good({ id, name });
}
