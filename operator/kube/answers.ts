/** What an API server's answer says, and what stands in its place where a proxy, or nobody, spoke. */
import { z } from 'zod';
import { quote } from '../../protocol/result.ts';

/** What a refusal says. */
export interface Refusal {
  /** What was asked, and the server's own words where it is a Kubernetes Status. */
  readonly message: string;
  /** Of HTTP. */
  readonly status: number;
  /** `Forbidden`, `Conflict`, `Expired`…; `NotKubernetes` where something else answered. */
  readonly reason: string;
  readonly retryAfterMs?: number;
}

/** An answer with its body read. */
export interface Answer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly retryAfter: string | undefined;
  readonly text: string;
}

const statusBody = z.object({
  kind: z.literal('Status'),
  message: z.string().optional(),
  reason: z.string().optional(),
  details: z.object({ retryAfterSeconds: z.number().nonnegative().optional() }).nullish(),
});

/**
 * Reads a refusal. The body of what is no Kubernetes Status is not repeated: a proxy may echo the headers, with the token
 * in them.
 */
export function readRefusal(answer: Answer, what: string, nowMs: number): Refusal {
  const read = statusBody.safeParse(parseOrUndefined(answer.text));
  const said = parseRetryAfter(answer.retryAfter, nowMs);
  const retryAfterMs = said ?? secondsToMs(read.data?.details?.retryAfterSeconds);
  const refusal = read.success ? ownRefusal(answer, read.data, what) : foreignRefusal(answer, what);
  return { ...refusal, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

function ownRefusal({ status }: Answer, read: z.output<typeof statusBody>, what: string): Refusal {
  // Refusals of the API server's filters may have an empty reason.
  const reason = read.reason === undefined || read.reason === '' ? reasonOf(status) : read.reason;
  const words = (read.message ?? '').slice(0, 1000);
  return { message: `${what}: ${status} ${reason}: ${words}`, status, reason };
}

function foreignRefusal({ status, text, contentType }: Answer, what: string): Refusal {
  // An API server that starts or is overloaded answers in plain text.
  if (text === '' || contentType?.startsWith('text/plain') === true) {
    return { message: `${what}: answered with ${status}`, status, reason: reasonOf(status) };
  }
  const by = `and not by Kubernetes (${quote(contentType ?? 'no content type')})`;
  return { message: `${what}: answered with ${status}, ${by}`, status, reason: 'NotKubernetes' };
}

/** JSON of a good answer; a refusal where it is none (the sign-in page of a proxy comes with 200). */
export function readBody(answer: Answer, what: string): { readonly body: unknown } | Refusal {
  const { status, text, contentType } = answer;
  if (text === '') return { body: undefined };
  const body = parseOrUndefined(text);
  if (body !== undefined) return { body };
  const kind = quote(contentType ?? 'no content type');
  return {
    message: `${what}: ${status} with ${text.length} characters that are not whole JSON (${kind}): is there a proxy between?`,
    status,
    reason: 'NotKubernetes',
  };
}

/** Seconds or a date (RFC 9110, 10.2.3). */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined || header === '') return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const dateMs = Date.parse(header);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}

function secondsToMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

const reasons: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  429: 'TooManyRequests',
};

function reasonOf(status: number): string {
  return reasons[status] ?? 'Unknown';
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}
