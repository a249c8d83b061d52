/** `homing operator`: the one process that talks to Kubernetes. */
import { Command } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { systemNamespace } from '../crds/cluster.ts';
import type { EmitOperatorEvent, OperatorEvent } from '../operator/operator-events.ts';
import { type ListenAddress, parseListenAddress } from './listen-address.ts';
import { tidyAfterStart } from './after-start.ts';
import { exitCodes, paint, printJson, printLine, printNote } from './output.ts';
import { count, printable } from './event-lines.ts';

interface OperatorFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace: string;
  readonly listen: ListenAddress;
  readonly metrics?: ListenAddress;
  readonly json?: boolean;
}

/** The subcommand, for cli/main.ts. */
export const operatorCommand = new Command('operator')
  .description(
    'Runs the operator of a cluster: certificates, resources and status; cameras do not need it to move.',
  )
  .option(
    '--kubeconfig <file>',
    'which cluster (default: KUBECONFIG, ~/.kube/config, the pod that we are in)',
  )
  .option('--context <name>', 'which context of the kubeconfig')
  .option('--namespace <name>', 'where CA, trust set and Lease are', systemNamespace)
  .option('--listen <address>', 'where agents call: :PORT, HOST:PORT or [IPV6]:PORT', parseListenAddress, {
    port: 17_330,
  })
  .option('--metrics <address>', 'answer /metrics, /healthz and /readyz there, as :9317', parseListenAddress)
  .option('--json', 'print one JSON object a line for each event')
  .addHelpText(
    'after',
    `
One operator works at a time: it takes the Lease homing-operator once, and waits while another one's pod runs. The pod's name
is its identity (POD_NAME; elsewhere host name and process). SIGINT and SIGTERM end it properly; a second one ends at once.
Exits 0 after such an end, 1 when another operator took the Lease, 2 for wrong options or a kubeconfig that names no cluster.

Examples:
  homing operator --metrics :9317
  homing operator --kubeconfig house.yaml --namespace homing-system --listen 127.0.0.1:17330 --json | jq .`,
  )
  .action(async ({ json = false, ...flags }: OperatorFlags) => {
    // Commands of agents need not load what talks to a cluster.
    const { runOperator } = await import('../operator/operator.ts');
    const stop = new AbortController();
    const ended = listenForSignals(stop);
    const podName = process.env['POD_NAME'];
    const options = {
      ...flags,
      version: manifest.version,
      ...(podName === undefined ? {} : { identity: podName }),
    };
    try {
      const operator = await runOperator(options, printOperatorEvents(json), stop.signal);
      tidyAfterStart();
      const lost = operator.lost.then((reason) => {
        process.exitCode = exitCodes.negative;
        return reason;
      });
      await operator.stop(await Promise.race([ended, lost]));
    } catch (error) {
      // Ended while it waited for the Lease or for the API server.
      if (!stop.signal.aborted) throw error;
    }
  });

/** Resolves with the first signal; a second one does not wait. */
function listenForSignals(stop: AbortController): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals > 1) process.exit(exitCodes.negative);
    printNote(`homing: ${signal}: stopping (again to stop at once)`);
    resolve(signal);
    stop.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return promise;
}

function printOperatorEvents(isJson: boolean): EmitOperatorEvent {
  return (event) => {
    const time = new Date();
    if (isJson) printJson({ ...event, time: time.toISOString() });
    else printLine(`${paint('dim', time.toTimeString().slice(0, 8))}  ${formatEvent(event)}`);
  };
}

type EventOf<Name extends OperatorEvent['event']> = Extract<OperatorEvent, { readonly event: Name }>;
type Style = Parameters<typeof paint>[0];

const withReason = ({ message, reason }: { readonly message: string; readonly reason: string }): string =>
  `${message} (${reason})`;

const formats: {
  readonly [Name in OperatorEvent['event']]: readonly [Style, (event: EventOf<Name>) => string];
} = {
  started: [
    'bold',
    (e) => `in ${e.namespace}, listening at ${e.address}, ${count(e.anchors, 'CA certificate')}`,
  ],
  waiting: ['yellow', withReason],
  connected: ['green', (e) => `${e.client}, version ${e.version}`],
  disconnected: ['yellow', (e) => `${e.client}: ${e.reason}`],
  enrolled: ['cyan', (e) => `${e.role} ${e.client}`],
  refused: ['red', (e) => `${e.client === '' ? 'somebody' : e.client}: ${withReason(e)}`],
  wrote: ['dim', (e) => `the status of ${e.kind} ${e.name}`],
  moved: ['blue', (e) => e.message],
  warning: ['yellow', withReason],
  stopped: ['bold', (e) => e.reason],
};

/** One line for people, without the time. */
function formatEvent(event: OperatorEvent): string {
  const [style, format]: readonly [Style, (event: never) => string] = formats[event.event];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an entry takes the event of its own name; TypeScript cannot follow that over a union
  return `${paint(style, event.event.padEnd(12))}  ${printable(format(event as never))}`;
}
