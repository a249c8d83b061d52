/** This machine's server with its sinks, as its HomeServer says. */
import type { HomeServer } from '../crds/home-server.ts';
import { createScanner } from '../protocol/media/scanners.ts';
import type { ConfigProblem } from '../crds/config-error.ts';
import { ConfigError } from '../crds/config-error.ts';
import { recordSettingsOf, serverConfigOf } from './control/settings.ts';
import type { EmitEvent } from './events.ts';
import type { ServerPlan } from './plan.ts';
import type { RecordingsClaim } from './recordings-claim.ts';
import { openServer, type RunningServer, type SinkOpener } from './server/server.ts';
import { openRecordSink, type RecordingSink } from './sinks/record.ts';
import type { StateFile } from './state-file.ts';
import type { LiveTrust } from './trust-directory.ts';

export interface HomeServerOptions {
  readonly plan: ServerPlan;
  /** Where `record` writes. */
  readonly recordings: string;
  readonly claim: RecordingsClaim;
  readonly state: StateFile;
  readonly trust: LiveTrust;
  readonly emit: EmitEvent;
  readonly sinkHealthMs?: number;
}

export interface HomeServerRun {
  readonly server: RunningServer;
  /** Bounds its sinks as this says from now on; false where it says more that is new of them than their bounds. */
  setBounds(resource: HomeServer): boolean;
}

const section = 'server';

/**
 * Opens the server.
 *
 * @throws ConfigError where its port or its recordings folder cannot be had
 */
export async function openHomeServer(options: HomeServerOptions): Promise<HomeServerRun> {
  const { plan, state, trust, emit, sinkHealthMs } = options;
  const config = serverConfigOf(plan.resource, plan.assignment);
  const records: RecordingSink[] = [];
  try {
    const server = await openServer({
      identity: plan.identity,
      trust,
      config,
      sinks: listSinks(options, records),
      ...(sinkHealthMs === undefined ? {} : { sinkHealthMs }),
      saved: state.read(section),
      onSave: (saved) => state.write(section, saved),
      // The agent says that it stopped, when all of it has.
      emit: (event) => {
        if (event.event !== 'stopped') emit(event);
      },
    });
    const opened = describeUnbounded(plan.resource);
    return {
      server,
      setBounds(resource) {
        if (describeUnbounded(resource) !== opened) return false;
        for (const { record } of resource.spec.sinks) {
          if (record !== undefined) for (const sink of records) sink.setBounds(recordSettingsOf(record));
        }
        return true;
      },
    };
  } catch (error) {
    throw new ConfigError(describeFailure(error, options), { cause: error });
  }
}

/** What of the sinks cannot change while they are open. At most one is a `record`. */
function describeUnbounded({ spec }: HomeServer): string {
  return JSON.stringify(spec.sinks.map(({ record, ...sink }) => ({ ...sink, record: record?.durability })));
}

function listSinks(
  { plan, recordings, claim, emit }: HomeServerOptions,
  opened: RecordingSink[],
): readonly SinkOpener[] {
  return plan.resource.spec.sinks.flatMap(({ record }): SinkOpener[] => {
    if (record === undefined) return [];
    const settings = {
      directory: recordings,
      claim: async () => claim.take(recordings),
      scannerFor: createScanner,
      emit,
      ...recordSettingsOf(record),
    };
    const open: SinkOpener = async (listener) => {
      const sink = await openRecordSink(settings, listener);
      opened.push(sink);
      return sink;
    };
    return [open];
  });
}

/** What of the machine was not to be had, in words that say what to change; our own bugs are thrown on. */
function describeFailure(error: unknown, { plan, recordings }: HomeServerOptions): readonly ConfigProblem[] {
  if (error instanceof ConfigError) return error.problems;
  if (!(error instanceof Error) || !('syscall' in error)) throw error;
  const { syscall, message } = error;
  switch (syscall) {
    case 'listen': {
      const { port } = plan.resource.spec.listen;
      return [
        { field: 'spec.listen.port', message: `found ${port}, which this machine does not give: ${message}` },
      ];
    }
    case 'bind':
      return [{ message: `opening UDP for announcements: ${message}` }];
    case 'mkdir':
    case 'open':
    case 'scandir':
      return [{ file: recordings, message: `cannot be used for recordings: ${message}` }];
    default:
      throw error;
  }
}
