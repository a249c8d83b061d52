/** An agent that an operator tells what to do: enrols, then runs from the files that the stream keeps. */
import { runAgent, type AgentOptions, type RunningAgent } from './agent.ts';
import { OperatorHome } from './control/operator-home.ts';
import type { OperatorAddress } from './control/operator-places.ts';
import { openOperatorStore } from './control/operator-store.ts';
import { OperatorStream, type OperatorCa } from './control/operator-stream.ts';
import type { EmitEvent } from './events.ts';

export interface OperatedAgentOptions extends Omit<
  AgentOptions,
  'resources' | 'certificate' | 'clientCertificates'
> {
  readonly operator: OperatorAddress;
  /** Whom it believes to be the operator before it has enrolled. */
  readonly ca: OperatorCa;
  readonly tokenFile?: string;
  /** Folder in memory for cameras' passwords. @defaultValue none: cameras with passwords are not run */
  readonly credentials?: string;
}

/**
 * Starts it; resolves when it has something to run from and runs.
 *
 * @throws ConfigError where options are wrong, or what is on the disk cannot be run
 */
export async function runOperatedAgent(
  options: OperatedAgentOptions,
  emit: EmitEvent,
): Promise<Pick<RunningAgent, 'stop' | 'status'>> {
  const { operator: _, ca: _ca, tokenFile: _token, credentials: _credentials, ...rest } = options;
  let agent: RunningAgent | undefined;
  const operated = await openStream(options, emit, () => agent);
  try {
    const { files, certificates } = operated;
    agent = await runAgent(
      {
        ...rest,
        resources: files.resources,
        trust: files.trust,
        certificate: { certPath: certificates.ownCertificate, keyPath: certificates.ownKey },
        clientCertificates: certificates.clients,
      },
      emit,
    );
  } catch (error) {
    await operated.close();
    throw error;
  }
  const running = agent;
  return {
    status: () => running.status(),
    stop: async (reason) => {
      await running.stop(reason);
      await operated.close();
    },
  };
}

async function openStream(
  options: OperatedAgentOptions,
  emit: EmitEvent,
  agent: () => RunningAgent | undefined,
) {
  const { operator, ca, name, credentials, version, media, tokenFile } = options;
  const store = await openOperatorStore(options, emit);
  const home = new OperatorHome({
    ...store,
    name,
    hasMedia: media !== undefined,
    hasCredentials: credentials !== undefined,
    status: () => agent()?.status(),
    emit,
  });
  await home.open();
  const stream = new OperatorStream({
    ...store,
    address: operator,
    ca,
    name,
    pinnedIn: `HomeServer ${name} (spec.external.publicKey)`,
    version,
    ...(tokenFile === undefined ? {} : { tokenFile }),
    report: () => home.report(),
    onSnapshot: (snapshot, send) => home.take(snapshot, send),
    onCertificate: () => home.materialize(),
    emit,
  });
  await Promise.all([stream.enrolled, home.ready]);
  const close = async (): Promise<void> => {
    await stream.close();
    await store.trust.close();
  };
  return { ...store, close };
}
