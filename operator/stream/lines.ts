/** A line of the stream or of an enrolment: read as JSON, judged by its schema, or dropped for one reason of a closed list. Pure. */
import {
  agentMessage,
  enrol,
  messageVersions,
  type AgentMessage,
  type Enrol,
} from '../../crds/operator-messages.ts';
import { type Result, bad, good } from '../../protocol/result.ts';

/** Why a line of an agent is not taken. */
export const lineDropReasons = ['not-json', 'kind-unknown', 'message-invalid'] as const;

export type LineDropReason = (typeof lineDropReasons)[number];

const kinds: readonly unknown[] = agentMessage.options.map(({ shape }) => shape.kind.value);

/** A line of the stream; it comes one character a byte. A kind that only later versions know is no fault of the agent. */
export function readAgentLine(line: string): Result<AgentMessage, LineDropReason> {
  const json = parseJson(line);
  if (!json.ok) return json;
  const { success, data } = agentMessage.safeParse(json.value);
  if (success) return good(data);
  return isKnown(json.value)
    ? bad('message-invalid', 'reading a message: it is not as its kind must be')
    : bad('kind-unknown', 'reading a message: its kind is none that this version knows');
}

/** The line of an enrolment. */
export function readEnrolment(line: string): Result<Enrol, LineDropReason> {
  const json = parseJson(line);
  if (!json.ok) return json;
  const { success, data } = enrol.safeParse(json.value);
  return success ? good(data) : bad('message-invalid', 'reading an enrolment: it is not as it must be');
}

/** The newest version that both sides speak; undefined where there is none. */
export function chooseVersion(theirs: readonly number[]): number | undefined {
  return messageVersions.filter((version) => theirs.includes(version)).toSorted((a, b) => b - a)[0];
}

/** What is said to whoever speaks none of our versions. */
export function describeVersions(theirs: readonly number[]): string {
  const [ours, other] = [messageVersions.join(', '), theirs.join(', ')];
  return `the operator speaks version ${ours} of the messages and the agent ${other}: update the older of them`;
}

function isKnown(value: unknown): boolean {
  const kind: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'kind') : undefined;
  return kinds.includes(kind);
}

function parseJson(line: string): Result<unknown, LineDropReason> {
  try {
    return good(JSON.parse(Buffer.from(line, 'latin1').toString('utf8')));
  } catch {
    return bad('not-json', 'reading a message: it is no JSON');
  }
}
