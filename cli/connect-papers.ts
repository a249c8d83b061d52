/** What `homing connect` proves itself with: certificate, key and trust set, out of files or from an operator. */
import manifest from '../package.json' with { type: 'json' };
import { openNativeStream, type NativeStream } from '../agent/control/operator-native.ts';
import type { EmitEvent } from '../agent/events.ts';
import type { Endpoint } from '../protocol/endpoints.ts';
import { loadIdentity, type Identity } from '../tls/identity.ts';
import { resolveServers } from './connect-servers.ts';
import { operatorOf, type OperatorFlags } from './operator-options.ts';
import { CommandError } from './output.ts';

export interface PaperFlags extends OperatorFlags {
  readonly trust?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly name?: string;
  readonly state?: string;
}

export interface Papers {
  readonly identity: Identity;
  /** File or folder. */
  readonly trust: string;
  /** Servers that the operator names by address. */
  readonly servers: readonly Endpoint[];
  /** Only from an operator. */
  readonly native?: NativeStream;
}

/** Reads them, or has the operator issue them: that waits until the key is pinned in the CameraClient. */
export async function openPapers(flags: PaperFlags, media: string, emit: EmitEvent): Promise<Papers> {
  if (flags.operator !== undefined) return openOperatorPapers(flags, media, emit);
  const { trust, cert, key, ca } = flags;
  if (ca !== undefined) throw new CommandError('--ca goes with --operator; files are given by --trust');
  if (trust === undefined || cert === undefined || key === undefined) {
    throw new CommandError(
      'say --trust, --cert and --key, or --operator HOST:PORT with --ca, --name and --state',
    );
  }
  return { identity: await loadIdentity(cert, key), trust, servers: [] };
}

async function openOperatorPapers(flags: PaperFlags, media: string, emit: EmitEvent): Promise<Papers> {
  const { name = '', state, trust, cert, key } = flags;
  if ([trust, cert, key].some((given) => given !== undefined)) {
    throw new CommandError('--operator brings the certificate: without --trust, --cert, --key');
  }
  if (!/^[a-z0-9][a-z0-9.-]*\/[a-z0-9][a-z0-9.-]*$/.test(name)) {
    throw new CommandError('--operator needs --name NAMESPACE/NAME, as its CameraClient is called');
  }
  if (state === undefined) throw new CommandError('--operator needs --state DIR, where the key is kept');
  const { version } = manifest;
  const native = await openNativeStream(
    { ...operatorOf(flags, process.env), name, state, media, version },
    emit,
  );
  return {
    identity: native.identity,
    trust: native.trust,
    servers: await resolveKnown(native.servers),
    native,
  };
}

/** One that DNS does not know now is found by announcement or by the others. */
async function resolveKnown(servers: readonly string[]): Promise<readonly Endpoint[]> {
  const found = await Promise.all(servers.map((server) => resolveServers([server]).catch(() => [])));
  return found.flat();
}
