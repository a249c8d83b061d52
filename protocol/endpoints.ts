/** Where a server is reached: an IP address and a TCP port. */
export interface Endpoint {
  /** Canonical text of an IPv4 or IPv6 address, no zone, no brackets. */
  readonly ip: string;
  /** 1 to 65535. */
  readonly port: number;
}
