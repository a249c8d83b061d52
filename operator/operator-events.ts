/** What the operator tells people and programs: one line an event. Names are stable; docs/events.md describes each. */

interface Base<Name extends string> {
  readonly event: Name;
}

/** Before the edge has stamped it with `time`. */
export type OperatorEvent =
  | (Base<'started'> & { readonly namespace: string; readonly address: string; readonly anchors: number })
  | (Base<'waiting'> & { readonly reason: string; readonly message: string })
  | (Base<'connected'> & { readonly client: string; readonly version: string })
  | (Base<'disconnected'> & { readonly client: string; readonly reason: string })
  | (Base<'enrolled'> & { readonly client: string; readonly role: string })
  | (Base<'refused'> & { readonly client: string; readonly reason: string; readonly message: string })
  | (Base<'wrote'> & { readonly kind: string; readonly name: string })
  | (Base<'moved'> & { readonly message: string })
  | (Base<'warning'> & { readonly reason: string; readonly message: string })
  | (Base<'stopped'> & { readonly reason: string });

/** Where events go; must not throw. */
export type EmitOperatorEvent = (event: OperatorEvent) => void;
