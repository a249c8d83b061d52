/** What happens, told to people and programs: one line an event, in text or JSON. Names are stable and documented. */

interface Base<Name extends string> {
  readonly event: Name;
  /** RFC 3339, UTC, milliseconds. */
  readonly time: string;
}

/** `client`, `server`, `from` and `to` are names where a certificate told one, else identifiers. */
export type AgentEvent =
  | (Base<'started'> & {
      readonly server?: string;
      readonly id?: string;
      readonly address?: string;
      readonly clients?: number;
    })
  | (Base<'configured'> & { readonly clients: number })
  | (Base<'announced'> & {
      readonly server: string;
      readonly features: readonly string[];
      readonly connected: number;
      readonly max: number;
    })
  | (Base<'heard'> & {
      readonly server: string;
      readonly id: string;
      readonly address: string;
      readonly features: readonly string[];
      readonly connected: number;
      readonly max: number;
      /** Further addresses, where there are any. */
      readonly also?: readonly string[];
      readonly via: 'multicast' | 'link';
    })
  | (Base<'dropped'> & {
      readonly reason: string;
      readonly detail: string;
      readonly from?: string;
      readonly count: number;
    })
  | (Base<'linked'> & { readonly server: string; readonly id: string; readonly address: string })
  | (Base<'unlinked'> & { readonly server: string; readonly id: string; readonly reason: string })
  | (Base<'welcomed'> & { readonly client: string; readonly server: string })
  | (Base<'left'> & { readonly client: string; readonly server: string; readonly reason: string })
  | (Base<'redirected'> & {
      /** Whose event it is: an agent with a server and cameras tells both. */
      readonly side: 'server' | 'client';
      readonly client: string;
      readonly from: string;
      readonly to: string;
      readonly reason: string;
    })
  | (Base<'refused'> & {
      readonly client?: string;
      readonly from?: string;
      readonly to?: string;
      readonly reason: string;
      readonly detail?: string;
      readonly retryAfterMs?: number;
    })
  | (Base<'connected'> & { readonly client: string; readonly to: string; readonly milliseconds?: number })
  | (Base<'disconnected'> & { readonly client: string; readonly from: string; readonly reason: string })
  | (Base<'cut'> & {
      readonly client: string;
      readonly from: string;
      readonly to: string;
      readonly offset: number;
      readonly quality: string;
    })
  | (Base<'handedOver'> & {
      readonly client: string;
      readonly from: string;
      readonly to: string;
      readonly reason: string;
      readonly milliseconds: number;
      readonly framesLost: number;
      readonly framesRepeated: number;
    })
  | (Base<'recorded'> & {
      readonly client: string;
      readonly file: string;
      readonly offset: number;
      readonly bytes: number;
    })
  | (Base<'source'> & {
      readonly client: string;
      readonly ready: boolean;
      readonly reason: string;
      readonly message: string;
    })
  | (Base<'trust'> & { readonly anchors: number; readonly denied: number; readonly message: string })
  | (Base<'operator'> & { readonly isConnected: boolean; readonly message: string })
  | (Base<'warning'> & { readonly reason: string; readonly message: string; readonly client?: string })
  | (Base<'stopped'> & { readonly reason: string });

/** An event before the edge has stamped it. */
export type Untimed<E extends AgentEvent = AgentEvent> = E extends AgentEvent ? Omit<E, 'time'> : never;

/** Where events go; must not throw. */
export type EmitEvent = (event: Untimed) => void;
