/** What an agent of an operator keeps in `STATE/operator`, opened: files, keys and certificates, trust set. */
import type { EmitEvent } from '../events.ts';
import { OperatorCertificates } from './operator-certificates.ts';
import { OperatorFiles } from './operator-files.ts';
import { OperatorTrust } from './operator-trust.ts';

export interface OperatorStoreOptions {
  readonly state: string;
  /** The server's, or the native client's `namespace/name`. */
  readonly name: string;
  /** Folder in memory for cameras' passwords. */
  readonly credentials?: string | undefined;
  /** Folder with `ca.crt`, `deny.txt` and `revision` that somebody else writes. */
  readonly trust?: string | undefined;
}

export interface OperatorStore {
  readonly files: OperatorFiles;
  readonly certificates: OperatorCertificates;
  readonly trust: OperatorTrust;
}

/** Opens it. @throws ConfigError where passwords would be on a disk */
export async function openOperatorStore(
  { state, name, credentials, trust: mounted }: OperatorStoreOptions,
  emit: EmitEvent,
): Promise<OperatorStore> {
  const files = new OperatorFiles(state, credentials);
  await files.open();
  const certificates = new OperatorCertificates(files.certificates, name);
  await certificates.open();
  const warn = (message: string): void => emit({ event: 'warning', reason: 'Operator', message });
  const trust = new OperatorTrust(files.trust, mounted, warn);
  await trust.open();
  return { files, certificates, trust };
}
