/** Events as lines: JSON for programs, words and colours for people. */
import type { AgentEvent, EmitEvent } from '../agent/events.ts';
import { paint, printJson, printLine } from './output.ts';

type EventOf<Name extends AgentEvent['event']> = Extract<AgentEvent, { readonly event: Name }>;
type Style = Parameters<typeof paint>[0];

/** What happened in a word, to whom, and the rest of the sentence. */
interface Line {
  readonly word: string;
  readonly style: Style;
  readonly text: string;
}

/** Prints each event on stdout with the time it came: one JSON object a line, or a line for people. */
export function printEvents(options: { readonly json: boolean }): EmitEvent {
  process.stdout.on('error', ignoreClosedPipe);
  return (untimed) => {
    const event = { ...untimed, time: new Date().toISOString() };
    if (options.json) printJson(event);
    else printLine(formatEvent(event));
  };
}

/** Whoever read our lines has gone; cameras go on. */
function ignoreClosedPipe(error: Error): void {
  if (!('code' in error && error.code === 'EPIPE')) throw error;
}

/** One line for people: `12:03:11  handed over  default/door  pi → nuc  in 143 ms, 0 frames lost`. */
export function formatEvent(event: AgentEvent): string {
  const format: (event: never) => Line = formats[event.event];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an entry takes the event of its own name; TypeScript cannot follow that over a union
  const { word, style, text } = format(event as never);
  const time = paint('dim', new Date(event.time).toTimeString().slice(0, 8));
  return `${time}  ${paint(style, word.padEnd(12))}  ${printable(text)}`.trimEnd();
}

const formats: { readonly [Name in AgentEvent['event']]: (event: EventOf<Name>) => Line } = {
  started: (e) =>
    line('started', 'bold', [
      e.server === undefined ? 'without a server' : `server ${e.server}`,
      e.address === undefined ? '' : `at ${e.address}`,
      e.clients === undefined ? '' : `with ${count(e.clients, 'camera')}`,
    ]),
  configured: (e) => line('configured', 'bold', [`anew, with ${count(e.clients, 'camera')}`]),
  announced: (e) => line('announced', 'dim', [`${e.server}:`, fullness(e)]),
  heard: (e) =>
    line('heard', 'cyan', [
      e.server,
      `at ${e.address}`,
      e.via === 'link' ? 'by its link:' : 'by multicast:',
      fullness(e),
    ]),
  dropped: (e) =>
    line('dropped', 'red', [
      e.count > 1 ? `${e.count} messages,` : 'a message',
      e.from === undefined ? '' : `from ${e.from}`,
      `(${e.reason}): ${e.detail}`,
    ]),
  linked: (e) => line('linked', 'cyan', [`with ${e.server} at ${e.address}`]),
  unlinked: (e) => line('link lost', 'yellow', [`with ${e.server}: ${e.reason}`]),
  welcomed: (e) => line('welcomed', 'green', [e.client, `by ${e.server}`]),
  left: (e) => line('left', 'dim', [e.client, `left ${e.server}: ${e.reason}`]),
  redirected: (e) =>
    line('redirected', 'blue', [
      e.client,
      e.side === 'server' ? `${e.from} → ${e.to}` : `was asked by ${e.from} to go to ${e.to}`,
      `(${e.reason})`,
    ]),
  refused: (e) => line('refused', 'yellow', refusal(e)),
  connected: (e) => line('connected', 'green', [e.client, `to ${e.to}`, inTime(e.milliseconds)]),
  disconnected: (e) => line('disconnected', 'yellow', [e.client, `from ${e.from}: ${e.reason}`]),
  cut: (e) => line('cut', 'dim', [e.client, `${e.from} → ${e.to} at byte ${e.offset} (${e.quality})`]),
  handedOver: (e) =>
    line('handed over', e.framesLost > 0 ? 'red' : 'green', [
      e.client,
      `${e.from} → ${e.to} (${e.reason})`,
      `${inTime(e.milliseconds)}, ${count(e.framesLost, 'frame')} lost,`,
      `${e.framesRepeated} repeated`,
    ]),
  recorded: (e) => line('recorded', 'dim', [e.client, `${e.file}, ${e.bytes} bytes from ${e.offset}`]),
  source: (e) =>
    line(e.ready ? 'source' : 'no source', e.ready ? 'green' : 'yellow', [
      e.client,
      `${e.reason}${e.message === '' ? '' : `: ${e.message}`}`,
    ]),
  trust: (e) =>
    line('trust', 'magenta', [
      `${count(e.anchors, 'CA certificate')}, ${e.denied} denied${e.message === '' ? '' : `: ${e.message}`}`,
    ]),
  operator: ({ isConnected, message }) => line('operator', isConnected ? 'green' : 'yellow', [message]),
  warning: (e) => line('warning', 'yellow', [e.client ?? '', `${e.message} (${e.reason})`]),
  stopped: (e) => line('stopped', 'bold', [e.reason]),
};

function line(word: string, style: Style, parts: readonly string[]): Line {
  return { word, style, text: parts.filter((part) => part !== '').join(' ') };
}

function refusal(event: EventOf<'refused'>): readonly string[] {
  const { client, from, to, reason, detail, retryAfterMs } = event;
  return [
    client ?? '',
    from === undefined ? '' : `from ${from}`,
    to === undefined ? '' : `to ${to}`,
    `(${reason})${detail === undefined ? '' : `: ${detail}`}`,
    retryAfterMs === undefined ? '' : `again in ${Math.ceil(retryAfterMs / 1000)} s`,
  ];
}

function fullness(event: EventOf<'heard'> | EventOf<'announced'>): string {
  const room = event.max === 0 ? 'draining' : `${event.connected} of ${event.max} clients`;
  return `${room}, ${event.features.length === 0 ? 'no features' : event.features.join(', ')}`;
}

function inTime(milliseconds: number | undefined): string {
  return milliseconds === undefined ? '' : `in ${Math.round(milliseconds)} ms`;
}

/** `1 frame`, `2 frames`. */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}

/** Nothing that others said may move the terminal's cursor or colour it. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '�');
}
