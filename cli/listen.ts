/** `homing listen`: what servers say on the local networks, verified, and what is dropped, with the reason. */
import { Command } from 'commander';
import type { EmitEvent } from '../agent/events.ts';
import { Drops } from '../agent/server/drops.ts';
import { type Hearing, openHearing } from '../agent/server/hearing.ts';
import { containerInterfaces } from '../agent/server/interfaces.ts';
import { multicastPort } from '../agent/server/multicast-group.ts';
import { multicastGroup } from '../agent/server/multicast-ipv4.ts';
import { multicastGroupIpv6 } from '../agent/server/multicast-ipv6.ts';
import { type LiveTrust, watchTrust } from '../agent/trust-directory.ts';
import { formatEndpoint } from '../protocol/endpoints.ts';
import { printEvents } from './event-lines.ts';
import { CommandError, printNote } from './output.ts';

interface ListenOptions {
  readonly trust: string;
  readonly interface?: string;
  readonly json?: boolean;
}

const flushDropsMs = 1000;

/** The subcommand, for cli/main.ts. */
export const listenCommand = new Command('listen')
  .description('Listens to announcements: prints each that is valid, and why others are dropped.')
  .requiredOption('--trust <path>', 'ca.crt, or a folder with ca.crt and deny.txt')
  .option('--interface <name>', 'listen there only (lo is the machine itself); else on all local networks')
  .option('--json', 'print one JSON object a line for each event: heard, dropped, warning')
  .addHelpText(
    'after',
    `
Sends nothing and calls nobody; ends on SIGINT or SIGTERM. Of each reason the first drop is printed, then the last of each
second with their number.

Examples:
  homing listen --trust ca/ca.crt
  homing listen --trust ca/ca.crt --interface lo --json`,
  )
  .action(listen);

async function listen(options: ListenOptions): Promise<void> {
  const emit = printEvents({ json: options.json === true });
  const drops = new Drops(emit);
  await using stack = new AsyncDisposableStack();
  const trust = await watchTrust(options.trust, [], emit);
  stack.defer(() => trust.close());
  const hearing = await open(options, trust, { emit, drops });
  stack.defer(() => hearing.close());
  const flushing = setInterval(() => drops.flush(performance.now()), flushDropsMs);
  stack.defer(() => clearInterval(flushing));
  tellWhere(hearing, options);
  await untilStopped();
  drops.flush(Infinity);
}

function open(
  options: ListenOptions,
  trust: LiveTrust,
  { emit, drops }: { readonly emit: EmitEvent; readonly drops: Drops },
): Promise<Hearing> {
  const names = options.interface === undefined ? [] : [options.interface];
  return openHearing({
    interfaces: names,
    excludeInterfaces: names.length > 0 ? [] : containerInterfaces,
    trust,
    onHeard({ subscribe: { from, features, connected, max, also }, leaf: { name } }) {
      emit({
        event: 'heard',
        server: name,
        id: from.id,
        address: formatEndpoint(from.address),
        features,
        connected,
        max,
        ...(also.length > 0 ? { also: also.map(formatEndpoint) } : {}),
        via: 'multicast',
      });
    },
    onDropped: (drop) => drops.note(drop, performance.now()),
    onProblem: (message) => emit({ event: 'warning', reason: 'Multicast', message }),
  });
}

function tellWhere(hearing: Hearing, options: ListenOptions): void {
  const interfaces = hearing.interfaces();
  if (options.interface !== undefined && interfaces.length === 0) {
    throw new CommandError(
      `listening: there is no interface ${options.interface} with an address that is not link-local`,
    );
  }
  const places = interfaces.map(({ name, address }) => `${name} (${address})`).join(', ');
  const isIpv6 = interfaces.some(({ ipv6 }) => ipv6 !== undefined);
  const groups = isIpv6 ? `${multicastGroup} and ${multicastGroupIpv6}` : multicastGroup;
  printNote(`listening to ${groups} UDP ${multicastPort} on ${places === '' ? 'no network yet' : places}`);
}

function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    const onSignal = () => {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
      resolve();
    };
    process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  });
}
