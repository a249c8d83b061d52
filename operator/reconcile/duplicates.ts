/** Two resources that claim the same identifier or the same key: the older one has it, the other is told so. Pure. */
import type { CameraClient } from '../../crds/camera-client.ts';
import type { HomeServer } from '../../crds/home-server.ts';
import { compareCodePoints } from '../../protocol/identifiers.ts';
import { clientIdOf, serverIdOf } from './identities.ts';
import { fullNameOf, type World } from './world.ts';

export interface Duplicate {
  readonly reason: 'DuplicateIdentifier' | 'DuplicateKey';
  /** Who has it: `HomeServer nuc`, `CameraClient default/door`. */
  readonly owner: string;
}

interface Claim {
  readonly claimant: string;
  readonly created: string;
  readonly identifier?: string;
  readonly key?: string;
}

/** By claimant (`HomeServer nuc`), the claims that an older resource has already made. */
export function findDuplicates(
  world: Pick<World, 'homeServers' | 'cameraClients'>,
): ReadonlyMap<string, Duplicate> {
  const claims = [...world.homeServers.map(serverClaim), ...world.cameraClients.map(clientClaim)].toSorted(
    (a, b) => compareCodePoints(a.created, b.created) || compareCodePoints(a.claimant, b.claimant),
  );
  const [identifiers, keys] = [new Map<string, string>(), new Map<string, string>()];
  const duplicates = new Map<string, Duplicate>();
  for (const { claimant, identifier, key } of claims) {
    const identifierOwner = claim(identifiers, identifier, claimant);
    const keyOwner = claim(keys, key, claimant);
    if (identifierOwner !== undefined)
      duplicates.set(claimant, { reason: 'DuplicateIdentifier', owner: identifierOwner });
    else if (keyOwner !== undefined) duplicates.set(claimant, { reason: 'DuplicateKey', owner: keyOwner });
  }
  return duplicates;
}

/** How a resource is called in the result of `findDuplicates`. */
export function claimantOf(resource: HomeServer | CameraClient): string {
  return resource.kind === 'HomeServer'
    ? `HomeServer ${resource.metadata.name}`
    : `CameraClient ${fullNameOf(resource)}`;
}

/** Who has it already; undefined where it is the claimant's now. */
function claim(owners: Map<string, string>, value: string | undefined, claimant: string): string | undefined {
  if (value === undefined) return undefined;
  const owner = owners.get(value);
  if (owner === undefined) owners.set(value, claimant);
  return owner;
}

function serverClaim(server: HomeServer): Claim {
  const { external } = server.spec;
  const identifier = serverIdOf(server);
  return {
    claimant: claimantOf(server),
    created: server.metadata.creationTimestamp ?? '',
    ...(identifier === undefined ? {} : { identifier }),
    ...(external?.publicKey === undefined ? {} : { key: external.publicKey }),
  };
}

function clientClaim(client: CameraClient): Claim {
  const { source } = client.spec;
  // Made of its UID, too: else whoever may write a camera could claim another's by spec.identifier.
  const identifier = clientIdOf(client);
  return {
    claimant: claimantOf(client),
    created: client.metadata.creationTimestamp ?? '',
    ...(identifier === undefined ? {} : { identifier }),
    ...(source.native?.publicKey === undefined ? {} : { key: source.native.publicKey }),
  };
}
