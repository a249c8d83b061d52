/** An agent that an operator tells what to do: enrols, then runs from the files that the stream keeps. */
import path from 'node:path';
import { runAgent, type AgentOptions, type AgentStatus, type RunningAgent } from './agent.ts';
import { makeReport } from './control/operator-report.ts';
import { OperatorStream } from './control/operator-stream.ts';
import type { EmitEvent } from './events.ts';

export interface OperatedAgentOptions extends Omit<
  AgentOptions,
  'resources' | 'trust' | 'certificate' | 'clientCertificates'
> {
  readonly operator: { readonly host: string; readonly port: number };
  /** Anchors for the first call, in PEM. */
  readonly caPem: string;
  readonly tokenFile?: string;
  /** Folder for credentials; memory in a cluster. @defaultValue `operator/credentials` in `state` */
  readonly credentials?: string;
}

/** Starts it; resolves when it has something to run from and runs. */
export async function runOperatedAgent(
  options: OperatedAgentOptions,
  emit: EmitEvent,
): Promise<Pick<RunningAgent, 'stop' | 'status'>> {
  let agent: RunningAgent | undefined;
  const stream = openStream(options, emit, () => agent?.status());
  const files = await stream.open();
  const { operator: _, caPem: _ca, tokenFile: _token, credentials: _credentials, ...rest } = options;
  const running = await runAgent(
    {
      ...rest,
      resources: files.resources,
      trust: files.trust,
      certificate: { certPath: files.serverCertificate, keyPath: files.serverKey },
      clientCertificates: files.clientCertificates,
    },
    emit,
  );
  agent = running;
  return {
    status: () => running.status(),
    stop: async (reason) => {
      await running.stop(reason);
      await stream.close();
    },
  };
}

function openStream(
  options: OperatedAgentOptions,
  emit: EmitEvent,
  status: () => AgentStatus | undefined,
): OperatorStream {
  const { operator, caPem, tokenFile, credentials, name, state, version } = options;
  const stream: OperatorStream = new OperatorStream({
    ...operator,
    caPem,
    name,
    state,
    credentials: credentials ?? path.join(state, 'operator', 'credentials'),
    version,
    hasMedia: options.media !== undefined,
    ...(tokenFile === undefined ? {} : { tokenFile }),
    report: () => {
      const now = status();
      const { snapshotRevision, trustRevision, cameraProblems } = stream;
      const wrong = now?.configuration.isCurrent === false ? now.configuration.problem : undefined;
      return makeReport(now, {
        snapshotRevision,
        trustRevision,
        cameraProblems,
        problem: stream.problem ?? wrong,
      });
    },
    emit,
  });
  return stream;
}
