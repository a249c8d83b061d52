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
    // What this version cannot read takes nothing from anybody.
    if (survey.world.unreadable?.has(entry.name) === true) return true;
    const server = servers.get(entry.name);
    if (server !== undefined) {
      return serverIdOf(server) === entry.id && isPinnedTo(server.spec.external?.publicKey, entry);
    }
    const camera = cameras.get(entry.name);
    if (camera === undefined || clientIdOf(camera) !== entry.id) return false;
    const { native } = camera.spec.source;
    return native === undefined ? isBridge(entry, survey) : isPinnedTo(native.publicKey, entry);
  };
}

function isBridge({ name, holder }: LedgerEntry, { bridges }: Survey): boolean {
  const { servers = [], unknown = [] } = bridges.get(name) ?? {};
  // Where nobody is there to be chosen nothing was decided against who had it.
  return servers.includes(holder) || (servers.length === 0 && unknown.length === 0);
}

function isPinnedTo(pin: string | undefined, { spkiSha256 }: LedgerEntry): boolean {
  return pin === undefined || pin === `sha256:${spkiSha256}`;
}
