/** Hostile or lossy input is data: a value, or a reason out of a closed list and a sentence for a person. */
export type Result<Value, Reason extends string> = Good<Value> | Bad<Reason>;

export interface Good<Value> {
  readonly ok: true;
  readonly value: Value;
}

export interface Bad<Reason extends string> {
  readonly ok: false;
  readonly reason: Reason;
  /** What was being done, the quoted offender, the limit. Safe to log: control characters are escaped. */
  readonly detail: string;
}

export function good<Value>(value: Value): Good<Value> {
  return { ok: true, value };
}

export function bad<Reason extends string>(reason: Reason, detail: string): Bad<Reason> {
  return { ok: false, reason, detail };
}

const shownCharacters = 64;

/** Quotes untrusted text for a message: printable ASCII, escaped, at most 64 characters of it. */
export function quote(text: string): string {
  const short = text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
  return JSON.stringify(short).replaceAll(
    /[^\x20-\x7e\u2026]/g,
    (c) => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}
