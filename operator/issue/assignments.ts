/** Who may hold which certificate now, by resources and bridges. Pure. */
import { clientIdOf, serverIdOf } from '../reconcile/identities.ts';
import type { Survey } from '../reconcile/survey.ts';
import { fullNameOf } from '../reconcile/world.ts';
import type { IsAssigned, LedgerEntry } from './ledger.ts';

/** The rule for a survey; without one nobody loses anything. */
export function assignmentsOf(survey: Survey | undefined): IsAssigned {
  if (survey === undefined) return () => true;
  const servers = new Map(survey.world.homeServers.map((server) => [server.metadata.name, server]));
  const cameras = new Map(survey.world.cameraClients.map((camera) => [fullNameOf(camera), camera]));
  return (entry) => {
    const server = servers.get(entry.name);
    if (server !== undefined) {
      return serverIdOf(server) === entry.id && isPinnedTo(server.spec.external?.publicKey, entry);
    }
    const camera = cameras.get(entry.name);
    if (camera === undefined || clientIdOf(camera) !== entry.id) return false;
    if (camera.spec.source.native !== undefined)
      return isPinnedTo(camera.spec.source.native.publicKey, entry);
    return survey.bridges.get(entry.name)?.servers.includes(entry.holder) === true;
  };
}

function isPinnedTo(pin: string | undefined, { spkiSha256 }: LedgerEntry): boolean {
  return pin === undefined || pin === `sha256:${spkiSha256}`;
}
